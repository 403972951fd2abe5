using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using ClipLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, float, float, int, ArrayView<float>>;
using GradientLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, float, float, ArrayView<float>, int, ArrayView<float>>;

/// <summary><see cref="Hardtanh"/> on a GPU.</summary>
internal sealed class IlgpuHardtanh(IlgpuEngine engine) : Hardtanh(engine)
{
    private const int Threads = 256;

    private readonly ClipLauncher clip = engine.Load<ClipLauncher>(ClipKernel);
    private readonly GradientLauncher gradient = engine.Load<GradientLauncher>(GradientKernel);

    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, float low, float high, Tensor y) =>
        clip(Gpu.Stream, IlgpuEngine.Cover(x.Length, Threads), x.View(), low, high, x.Length, y.View());

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, float low, float high, Tensor dY, Tensor dX) =>
        gradient(Gpu.Stream, IlgpuEngine.Cover(y.Length, Threads), y.View(), low, high, dY.View(), y.Length, dX.View());

    [GpuKernel(Threads)]
    private static void ClipKernel(ArrayView<float> x, float low, float high, int length, ArrayView<float> y)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= length)
            return;

        // Comparisons, since they are false for NaN and so keep it; PTX's min and max would return the bound.
        float value = x[i];
        value = value < low ? low : value;
        y[i] = value > high ? high : value;
    }

    [GpuKernel(Threads)]
    private static void GradientKernel(ArrayView<float> y, float low, float high, ArrayView<float> dY, int length, ArrayView<float> dX)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= length)
            return;
        float value = y[i];
        bool outside = (value <= low) | (value >= high);
        dX[i] = outside ? 0 : dY[i];
    }
}
