using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Device memory.</summary>
internal sealed class IlgpuStorage<T> : Storage<T>
    where T : unmanaged
{
    private readonly IlgpuEngine engine;
    private readonly MemoryBuffer1D<T, Stride1D.Dense> buffer;

    public IlgpuStorage(IlgpuEngine engine, int length)
        : base(engine, length)
    {
        this.engine = engine;
        buffer = engine.Accelerator.Allocate1D<T>(Math.Max(length, 1));
        buffer.MemSetToZero(engine.Stream);
    }

    /// <summary>All elements.</summary>
    public ArrayView<T> View => buffer.View;

    internal override void CopyFrom(int offset, ReadOnlySpan<T> source)
    {
        View.SubView(offset, source.Length).CopyFromCPU(engine.Stream, source);
        engine.Stream.Synchronize();
    }

    internal override void CopyTo(int offset, Span<T> destination)
    {
        View.SubView(offset, destination.Length).CopyToCPU(engine.Stream, destination);
        engine.Stream.Synchronize();
    }

    internal override void Fill(int offset, int length, T value) => engine.Fill(View.SubView(offset, length), value);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            buffer.Dispose();
    }
}
