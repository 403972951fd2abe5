using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>The hyperparameters of a step of stochastic gradient descent.</summary>
/// <param name="LearningRate">The step size.</param>
/// <param name="Momentum">The velocity's decay; 0 for none.</param>
/// <param name="WeightDecay">The L2 penalty's factor, added to the gradient.</param>
/// <param name="Nesterov">Whether the step looks ahead along the velocity.</param>
public readonly record struct SgdOptions(float LearningRate, float Momentum = 0, float WeightDecay = 0, bool Nesterov = false);

/// <summary>Stochastic gradient descent with momentum, in PyTorch's form, on all parameters in one launch.</summary>
/// <remarks>g = factor * gradient + weightDecay * p; v = momentum v + g; p -= learningRate (g + momentum v) with Nesterov, learningRate v without.
/// A factor of 0 (see <see cref="GradientNorm"/>) leaves p and v as they are. Sources: Sutskever et al., ICML 2013; torch.optim.SGD.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Sgd(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Sgd On(IEngine engine) => engine.Implement<Sgd>(host => new HostSgd(host), ilgpu => new IlgpuSgd(ilgpu));

    /// <summary>One step.</summary>
    /// <param name="options">The hyperparameters.</param>
    /// <param name="clip">[2]: norm and factor, from <see cref="GradientNorm.Compute"/>.</param>
    /// <param name="gradients">[length].</param>
    /// <param name="parameters">[length]; updated.</param>
    /// <param name="velocity">[length], zero before the first step; updated.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or tensors overlap.</exception>
    public void Step(SgdOptions options, Tensor clip, Tensor gradients, Tensor parameters, Tensor velocity)
    {
        using ProfilerRange range = Range();
        var all = new Shape(parameters.Length);
        Check.Is(clip, Engine, new Shape(2));
        Check.Is(parameters, Engine, all);
        Check.Is(gradients, Engine, all);
        Check.Is(velocity, Engine, all);
        Check.Disjoint(parameters, gradients);
        Check.Disjoint(velocity, gradients);
        Check.Disjoint(velocity, parameters);
        if (all.Length > 0)
            StepCore(options, clip, gradients, parameters, velocity);
    }

    /// <summary><see cref="Step"/> on validated arguments, not empty.</summary>
    protected abstract void StepCore(SgdOptions options, Tensor clip, Tensor gradients, Tensor parameters, Tensor velocity);
}
