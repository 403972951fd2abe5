using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using DropLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, uint, float, uint, int, ArrayView<float>>;

/// <summary><see cref="Dropout"/> on a GPU.</summary>
internal sealed class IlgpuDropout(IlgpuEngine engine) : Dropout(engine)
{
    private const int Threads = 256;

    private readonly DropLauncher drop = engine.Load<DropLauncher>(DropKernel);

    /// <inheritdoc/>
    protected override void ApplyCore(Tensor x, uint threshold, float scale, uint key, Tensor y) =>
        drop(Gpu.Stream, IlgpuEngine.Cover(x.Length, Threads), x.View(), threshold, scale, key, x.Length, y.View());

    [GpuKernel(Threads)]
    private static void DropKernel(ArrayView<float> x, uint threshold, float scale, uint key, int length, ArrayView<float> y)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
            y[i] = Hash((uint)i, key) < threshold ? 0 : x[i] * scale;
    }
}
