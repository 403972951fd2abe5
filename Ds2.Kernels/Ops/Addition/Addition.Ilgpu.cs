using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using AddLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, ArrayView<float>>;
using CopyLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, int, ArrayView<float>>;

/// <summary><see cref="Addition"/> on a GPU: one pass, bound by memory.</summary>
internal sealed class IlgpuAddition(IlgpuEngine engine) : Addition(engine)
{
    public const int Threads = 256;

    private readonly AddLauncher add = engine.Load<AddLauncher>(AddKernel);
    private readonly CopyLauncher move = engine.Load<CopyLauncher>(CopyKernel);

    /// <inheritdoc/>
    protected override void AddCore(Tensor a, Tensor b, Tensor sum) =>
        add(Gpu.Stream, IlgpuEngine.Cover(a.Length, Threads), a.View(), b.View(), a.Length, sum.View());

    /// <inheritdoc/>
    protected override void CopyCore(Tensor x, Tensor copy) =>
        move(Gpu.Stream, IlgpuEngine.Cover(x.Length, Threads), x.View(), x.Length, copy.View());

    [GpuKernel(Threads)]
    internal static void AddKernel(ArrayView<float> a, ArrayView<float> b, int length, ArrayView<float> sum)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
            sum[i] = a[i] + b[i];
    }

    [GpuKernel(Threads)]
    internal static void CopyKernel(ArrayView<float> x, int length, ArrayView<float> copied)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
            copied[i] = x[i];
    }
}
