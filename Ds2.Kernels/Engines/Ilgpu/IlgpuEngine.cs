using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>A device that ILGPU drives: a CUDA or OpenCL GPU, or ILGPU's emulation of one on the CPU.</summary>
public sealed class IlgpuEngine : IEngine
{
    private readonly Context context;

    private IlgpuEngine(Context context, Device device)
    {
        this.context = context;
        Accelerator = device.CreateAccelerator(context);
        Stream = Accelerator.CreateStream();
    }

    /// <inheritdoc/>
    public string Name => Accelerator.Name;

    /// <summary>ILGPU's accelerator.</summary>
    internal Accelerator Accelerator { get; }

    /// <summary>The one stream on which all kernels and copies run.</summary>
    internal AcceleratorStream Stream { get; }

    /// <summary>ILGPU's CPU emulation of an NVIDIA device: for tests, slow.</summary>
    public static IlgpuEngine Emulated()
    {
        Context context = Context.Create(builder => builder.CPU(CPUDevice.Nvidia));
        return new IlgpuEngine(context, context.GetCPUDevice(0));
    }

    /// <inheritdoc/>
    public Tensor Allocate(Shape shape) => new(new IlgpuStorage<float>(this, shape.Length), shape);

    /// <inheritdoc/>
    public IntTensor AllocateInt(Shape shape) => new(new IlgpuStorage<int>(this, shape.Length), shape);

    /// <inheritdoc/>
    public void Synchronize() => Stream.Synchronize();

    /// <inheritdoc/>
    public void Dispose()
    {
        Stream.Dispose();
        Accelerator.Dispose();
        context.Dispose();
    }

    /// <summary>Queues a kernel that sets every element.</summary>
    internal void Fill<T>(ArrayView<T> view, T value)
        where T : unmanaged => throw new NotImplementedException();
}
