using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using StepLauncher = Action<AcceleratorStream, KernelConfig, IlgpuAdamW.Coefficients, ArrayView<float>, int, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, ArrayView<float>>;

/// <summary><see cref="AdamW"/> on a GPU: one pass over gradients, parameters and both moments, bound by their traffic of 28 bytes a parameter.</summary>
internal sealed class IlgpuAdamW(IlgpuEngine engine) : AdamW(engine)
{
    private const int Threads = 256;

    private readonly StepLauncher step = engine.Load<StepLauncher>(StepKernel);

    /// <inheritdoc/>
    protected override void StepCore(
        AdamWOptions options, int step, Tensor clip, Tensor gradients, Tensor parameters, Tensor firstMoment, Tensor secondMoment)
    {
        // In double: for beta2 near 1 and a small step, 1 - beta2^step cancels most of a float's digits.
        double correction1 = 1 - Math.Pow(options.Beta1, step);
        double correction2 = 1 - Math.Pow(options.Beta2, step);
        var coefficients = new Coefficients(
            options.Beta1, options.Beta2, options.Epsilon, options.LearningRate * options.WeightDecay,
            (float)(options.LearningRate / correction1), (float)(1 / correction2));
        int length = parameters.Length;
        this.step(
            Gpu.Stream, IlgpuEngine.Cover(length, Threads), coefficients, clip.View(), length,
            gradients.View(), parameters.View(), firstMoment.View(), secondMoment.View());
    }

    [GpuKernel(Threads)]
    private static void StepKernel(
        Coefficients by, ArrayView<float> clip, int length,
        ArrayView<float> gradients, ArrayView<float> parameters, ArrayView<float> firstMoment, ArrayView<float> secondMoment)
    {
        int i = Grid.GlobalIndex.X;
        float factor = clip[1];
        if (i >= length || factor == 0)
            return;
        float p = parameters[i];
        float g = factor * gradients[i];
        float m = by.Beta1 * firstMoment[i] + (1 - by.Beta1) * g;
        float v = by.Beta2 * secondMoment[i] + (1 - by.Beta2) * g * g;
        firstMoment[i] = m;
        secondMoment[i] = v;
        p -= by.Decay * p;
        parameters[i] = p - by.StepSize * m / (XMath.Sqrt(v * by.SecondScale) + by.Epsilon);
    }

    /// <summary>A step's constants: learning rate times decay, learning rate over the first moment's correction, and 1 over the second's.</summary>
    internal readonly record struct Coefficients(float Beta1, float Beta2, float Epsilon, float Decay, float StepSize, float SecondScale);
}
