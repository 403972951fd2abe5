using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using ApplyLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, int, ArrayView<float>, ArrayView<float>>;
using KeepLauncher = Action<AcceleratorStream, KernelConfig, int, ArrayView<float>, ArrayView<float>>;

/// <summary><see cref="Rollback"/> on a GPU: one thread a value; a few microseconds of launches a step.</summary>
internal sealed class IlgpuRollback(IlgpuEngine engine) : Rollback(engine)
{
    private const int Threads = 256;

    private readonly KeepLauncher keep = engine.Load<KeepLauncher>(KeepKernel);
    private readonly ApplyLauncher apply = engine.Load<ApplyLauncher>(ApplyKernel);

    /// <inheritdoc/>
    protected override void KeepCore(Tensor values, Tensor kept) =>
        keep(Gpu.Stream, IlgpuEngine.Cover(values.Length, Threads), values.Length, values.View(), kept.View());

    /// <inheritdoc/>
    protected override void ApplyCore(Tensor clip, Tensor kept, Tensor values) =>
        apply(Gpu.Stream, IlgpuEngine.Cover(values.Length, Threads), clip.View(), values.Length, kept.View(), values.View());

    [GpuKernel(Threads)]
    private static void KeepKernel(int length, ArrayView<float> values, ArrayView<float> kept)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
            kept[i] = values[i];
    }

    [GpuKernel(Threads)]
    private static void ApplyKernel(ArrayView<float> clip, int length, ArrayView<float> kept, ArrayView<float> values)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= length)
            return;
        // The difference of a number with itself is 0, of NaN and the infinities NaN.
        float value = values[i];
        if (clip[1] == 0 || value - value != 0)
            values[i] = kept[i];
    }
}
