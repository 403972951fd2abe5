using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>The hyperparameters of an AdamW step.</summary>
/// <param name="LearningRate">The step size.</param>
/// <param name="Beta1">The decay of the first moment.</param>
/// <param name="Beta2">The decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">The decoupled decay's factor.</param>
public readonly record struct AdamWOptions(
    float LearningRate, float Beta1 = 0.9f, float Beta2 = 0.999f, float Epsilon = 1e-8f, float WeightDecay = 0);

/// <summary>Adam with decoupled weight decay, in PyTorch's form, on all parameters in one launch.</summary>
/// <remarks>g = factor * gradient; p -= learningRate weightDecay p; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²;
/// p -= learningRate / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + eps). A factor of 0 (see <see cref="GradientNorm"/>) leaves p, m and v as they are.
/// Source: Loshchilov, Hutter, arXiv:1711.05101, algorithm 2; torch.optim.AdamW.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class AdamW(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static AdamW On(IEngine engine) => engine.Implement<AdamW>(host => new HostAdamW(host), ilgpu => new IlgpuAdamW(ilgpu));

    /// <summary>One step.</summary>
    /// <param name="options">The hyperparameters.</param>
    /// <param name="step">The number of this step, from 1; it corrects the moments' bias.</param>
    /// <param name="clip">[2]: norm and factor, from <see cref="GradientNorm.Compute"/>.</param>
    /// <param name="gradients">[length].</param>
    /// <param name="parameters">[length]; updated.</param>
    /// <param name="firstMoment">[length], zero before the first step; updated.</param>
    /// <param name="secondMoment">[length], zero before the first step; updated.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, tensors overlap, or the step is not positive.</exception>
    public void Step(
        AdamWOptions options, int step, Tensor clip, Tensor gradients, Tensor parameters, Tensor firstMoment, Tensor secondMoment)
    {
        using ProfilerRange range = Range();
        var all = new Shape(parameters.Length);
        Check.That(step > 0, "steps count from 1");
        Check.Is(clip, Engine, new Shape(2));
        Check.Is(parameters, Engine, all);
        Check.Is(gradients, Engine, all);
        Check.Is(firstMoment, Engine, all);
        Check.Is(secondMoment, Engine, all);
        Check.Disjoint(parameters, gradients);
        Check.Disjoint(firstMoment, gradients);
        Check.Disjoint(firstMoment, parameters);
        Check.Disjoint(secondMoment, gradients);
        Check.Disjoint(secondMoment, parameters);
        Check.Disjoint(secondMoment, firstMoment);
        if (all.Length > 0)
            StepCore(options, step, clip, gradients, parameters, firstMoment, secondMoment);
    }

    /// <summary><see cref="Step"/> on validated arguments, not empty.</summary>
    protected abstract void StepCore(
        AdamWOptions options, int step, Tensor clip, Tensor gradients, Tensor parameters, Tensor firstMoment, Tensor secondMoment);
}
