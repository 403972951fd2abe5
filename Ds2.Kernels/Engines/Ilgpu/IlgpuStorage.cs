using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Device memory.</summary>
internal sealed class IlgpuStorage<T> : Storage<T>
    where T : unmanaged
{
    private readonly IlgpuEngine engine;
    private readonly MemoryBuffer1D<T, Stride1D.Dense> buffer;
    private bool isZeroing;

    /// <summary>Zeroed memory.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public IlgpuStorage(IlgpuEngine engine, int length)
        : base(engine, length)
    {
        this.engine = engine;
        int allocated = Math.Max(length, 1); // ILGPU gives an empty buffer a null view, of which no kernel may be handed a part.
        try
        {
            buffer = engine.Accelerator.Allocate1D<T>(allocated);
        }
        catch (Exception exception) when (IsOutOfMemory(exception))
        {
            throw new OutOfMemoryException($"{engine.Name} has no {(long)allocated * Interop.SizeOf<T>():N0} bytes left", exception);
        }

        buffer.MemSetToZero(engine.Stream);
        isZeroing = true;
        engine.CountAllocation();
    }

    /// <summary>All elements.</summary>
    public ArrayView<T> View => buffer.View.SubView(0, Length);

    internal override void CopyFrom(int offset, ReadOnlySpan<T> source)
    {
        ArrayView<T> destination = View.SubView(offset, source.Length);
        if (engine.Staging.TryCopyFrom(destination, source))
            return;
        destination.CopyFromCPU(engine.Stream, source);
        engine.Synchronize();
    }

    internal override void Prefetch(int offset, ReadOnlySpan<T> source)
    {
        if (engine.CudaPrefetch is not { } prefetch)
        {
            CopyFrom(offset, source);
            return;
        }

        if (isZeroing)
            engine.Synchronize(); // or the zeros of its first use might come after the values
        isZeroing = false;
        prefetch.Start(View.SubView(offset, source.Length), source);
    }

    internal override void CopyTo(int offset, Span<T> destination)
    {
        View.SubView(offset, destination.Length).CopyToCPU(engine.Stream, destination);
        engine.Synchronize();
    }

    internal override void CopyToLater(int offset, T[] destination)
    {
        if (!engine.Staging.TryCopyTo(View.SubView(offset, destination.Length), destination))
            CopyTo(offset, destination);
    }

    internal override void Fill(int offset, int length, T value) => engine.Fill(View.SubView(offset, length), value);

    protected override void Dispose(bool disposing)
    {
        if (disposing && !buffer.IsDisposed)
            buffer.Dispose();
    }

    private static bool IsOutOfMemory(Exception exception) => exception switch
    {
        OutOfMemoryException => true,
        CudaException cuda => cuda.Error == nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY),
        CLException cl => cl.Error is CLError.CL_MEM_OBJECT_ALLOCATION_FAILURE or CLError.CL_OUT_OF_RESOURCES
            or CLError.CL_OUT_OF_HOST_MEMORY or CLError.CL_INVALID_BUFFER_SIZE,
        _ => false,
    };
}
