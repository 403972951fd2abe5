using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>The global gradient norm and the factor that clips it, on the device: the optimiser reads them without a host round trip.</summary>
/// <remarks>norm = sqrt(sum g²), summed in double or pairwise, in an order that depends on the length alone;
/// factor = min(1, maxNorm / (norm + 1e-6)), as PyTorch's clip_grad_norm_. Where the norm is NaN or infinite the factor is 0, which tells the
/// optimisers to leave parameters and state as they are. Source: Pascanu et al., arXiv:1211.5063, section 3.2.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class GradientNorm(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static GradientNorm On(IEngine engine) =>
        engine.Implement<GradientNorm>(host => new HostGradientNorm(host), ilgpu => new IlgpuGradientNorm(ilgpu));

    /// <summary>Scratch that <see cref="Compute"/> needs, in fp32 elements.</summary>
    public abstract int WorkspaceFor(int length);

    /// <summary>The norm of all gradients and their clipping factor.</summary>
    /// <param name="gradients">[length]: the gradients of all parameters, one after the other.</param>
    /// <param name="maxNorm">The norm to clip to; +inf never clips.</param>
    /// <param name="clip">[2]: the norm and the factor; overwritten.</param>
    /// <param name="workspace">At least <see cref="WorkspaceFor"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, maxNorm is not positive, or the workspace is short.</exception>
    public void Compute(Tensor gradients, float maxNorm, Tensor clip, Workspace workspace)
    {
        using ProfilerRange range = Range();
        Check.That(maxNorm > 0, "the norm to clip to is positive");
        Check.Is(gradients, Engine, new Shape(gradients.Length));
        Check.Is(clip, Engine, new Shape(2));
        Check.Disjoint(clip, gradients);
        Check.Is(workspace, Engine);
        workspace.Begin(WorkspaceFor(gradients.Length));
        ComputeCore(gradients, maxNorm, clip, workspace);
    }

    /// <summary><see cref="Compute"/> on validated arguments.</summary>
    protected abstract void ComputeCore(Tensor gradients, float maxNorm, Tensor clip, Workspace workspace);
}
