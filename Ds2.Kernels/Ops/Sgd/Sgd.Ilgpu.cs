using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using StepLauncher = Action<AcceleratorStream, KernelConfig, IlgpuSgd.Coefficients, ArrayView<float>, int, ArrayView<float>, ArrayView<float>,
    ArrayView<float>>;

/// <summary><see cref="Sgd"/> on a GPU: one pass over gradients, parameters and velocity, bound by their traffic of 20 bytes a parameter.</summary>
internal sealed class IlgpuSgd(IlgpuEngine engine) : Sgd(engine)
{
    private const int Threads = 256;

    private readonly StepLauncher step = engine.Load<StepLauncher>(StepKernel);

    /// <inheritdoc/>
    protected override void StepCore(SgdOptions options, Tensor clip, Tensor gradients, Tensor parameters, Tensor velocity)
    {
        var coefficients = new Coefficients(options.LearningRate, options.Momentum, options.WeightDecay, options.Nesterov ? 1 : 0);
        int length = parameters.Length;
        step(Gpu.Stream, IlgpuEngine.Cover(length, Threads), coefficients, clip.View(), length, gradients.View(), parameters.View(), velocity.View());
    }

    [GpuKernel(Threads)]
    private static void StepKernel(
        Coefficients by, ArrayView<float> clip, int length, ArrayView<float> gradients, ArrayView<float> parameters, ArrayView<float> velocity)
    {
        int i = Grid.GlobalIndex.X;
        float factor = clip[1];
        if (i >= length || factor == 0)
            return;
        float p = parameters[i];
        float g = factor * gradients[i] + by.WeightDecay * p;
        float v = by.Momentum * velocity[i] + g;
        velocity[i] = v;
        float direction = v;
        if (by.Nesterov != 0)
            direction = g + by.Momentum * v;
        parameters[i] = p - by.LearningRate * direction;
    }

    /// <summary>The hyperparameters as a kernel can take them: a bool is no kernel parameter.</summary>
    internal readonly record struct Coefficients(float LearningRate, float Momentum, float WeightDecay, int Nesterov);
}
