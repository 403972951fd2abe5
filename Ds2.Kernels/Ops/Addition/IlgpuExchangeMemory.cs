using System.Buffers;
using System.Runtime.InteropServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Ds2.Kernels.Ops;

using AddLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, ArrayView<float>>;
using CopyLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, int, ArrayView<float>>;

/// <summary>A GPU's memory by its addresses. Sums are on a stream of their own, for which the thread that exchanges waits, and neither the ops nor the thread that calls them.</summary>
internal sealed class IlgpuExchangeMemory : IExchangeMemory
{
    private readonly IlgpuEngine engine;
    private readonly AcceleratorStream stream;
    private readonly AddLauncher add;
    private readonly CopyLauncher copy;
    private readonly List<IDisposable> taken = [];

    /// <param name="engine">The engine, one with device pointers.</param>
    public IlgpuExchangeMemory(IlgpuEngine engine)
    {
        this.engine = engine;
        engine.Accelerator.Bind();
        stream = engine.Accelerator.CreateStream();

        // Here, on the engine's thread: loading is not for two.
        add = engine.Load<AddLauncher>(IlgpuAddition.AddKernel);
        copy = engine.Load<CopyLauncher>(IlgpuAddition.CopyKernel);
    }

    /// <inheritdoc/>
    public int Block => int.MaxValue;

    /// <inheritdoc/>
    public Memory<float> Allocate(int length)
    {
        Tensor block = engine.Allocate(new Shape(Math.Max(length, 1)));
        taken.Add(block);

        // Its zeros are the queue's, and must not come after what another rank sends.
        engine.Synchronize();
        return Of(block)[..length];
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The tensor is another engine's.</exception>
    public Memory<float> Of(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Check.Is(tensor, engine, tensor.Shape);
        return new DeviceFloats(tensor.View()).Memory;
    }

    /// <inheritdoc/>
    public Action Mark()
    {
        if (engine.Stream is CudaStream ops)
            return CudaCopies.Mark((CudaAccelerator)engine.Accelerator, ops);
        engine.Synchronize();
        return () => { };
    }

    /// <inheritdoc/>
    public void Add(ReadOnlyMemory<float> a, ReadOnlyMemory<float> b, Memory<float> sum)
    {
        ArrayView<float> to = ViewOf(sum);
        if (to.IntLength > 0)
            add(stream, IlgpuEngine.Cover(to.IntLength, IlgpuAddition.Threads), ViewOf(a), ViewOf(b), to.IntLength, to);
    }

    /// <inheritdoc/>
    public void Copy(ReadOnlyMemory<float> x, Memory<float> copy)
    {
        ArrayView<float> to = ViewOf(copy);
        if (to.IntLength > 0)
            this.copy(stream, IlgpuEngine.Cover(to.IntLength, IlgpuAddition.Threads), ViewOf(x), to.IntLength, to);
    }

    /// <inheritdoc/>
    public void Complete()
    {
        if (stream is CudaStream sums)
            CudaCopies.Mark((CudaAccelerator)engine.Accelerator, sums)();
        else
            stream.Synchronize();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        engine.Accelerator.Bind();
        stream.Synchronize();
        stream.Dispose();
        foreach (IDisposable block in taken)
            block.Dispose();
    }

    /// <summary>The view that a piece of memory is of, on the thread that launches: it must have the device.</summary>
    private ArrayView<float> ViewOf(ReadOnlyMemory<float> memory)
    {
        engine.Accelerator.Bind();
        return MemoryMarshal.TryGetMemoryManager(memory, out DeviceFloats? floats, out int start, out int length)
            ? floats.View.SubView(start, length)
            : throw new ArgumentException("memory of another device, or of the host", nameof(memory));
    }

    /// <summary>Device memory as the rest of the program knows memory, but that the host has no elements of it.</summary>
    private sealed unsafe class DeviceFloats(ArrayView<float> view) : MemoryManager<float>
    {
        public ArrayView<float> View => view;

        public override Memory<float> Memory => CreateMemory(view.IntLength);

        public override Span<float> GetSpan() => throw new InvalidOperationException("the host cannot read a device's memory, nor write it");

        public override MemoryHandle Pin(int elementIndex = 0) => new((float*)view.Address() + elementIndex);

        public override void Unpin()
        {
            // It does not move.
        }

        protected override void Dispose(bool disposing)
        {
            // It is the tensor's.
        }
    }
}
