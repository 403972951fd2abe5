using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>The global gradient norm and the factor that clips it, on the device: the optimiser reads them without a host round trip.</summary>
/// <remarks>norm = sqrt(sum g²), summed in double or pairwise, in an order that depends on the length alone;
/// factor = min(1, maxNorm / (norm + 1e-6)), as PyTorch's clip_grad_norm_. Where the norm is NaN or infinite the factor is 0, which tells the
/// optimisers to leave parameters and state as they are. Source: Pascanu et al., arXiv:1211.5063, section 3.2.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class GradientNorm(IEngine engine) : Op(engine)
{
    /// <summary>Elements of each part of <see cref="SumsOfSquares"/>.</summary>
    public const int Part = 16384;

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

    /// <summary>Parts of so many gradients; the last may be shorter.</summary>
    public static int Parts(int length) => (int)(((long)length + Part - 1) / Part);

    /// <summary>The norm and the clipping factor of a sum of squares, as <see cref="Compute"/> has them: for whoever adds up <see cref="SumsOfSquares"/>, in one order.</summary>
    /// <param name="squares">The sum of all gradients' squares.</param>
    /// <param name="maxNorm">The norm to clip to; +inf never clips.</param>
    public static (float Norm, float Factor) ClipFor(double squares, float maxNorm)
    {
        var norm = (float)Math.Sqrt(squares);
        return (norm, float.IsFinite(norm) ? Math.Min(1f, maxNorm / (norm + 1e-6f)) : 0f);
    }

    /// <summary>The sum of squares of each part of <see cref="Part"/> gradients, in double: what devices that have a share of them each add up to the same norm from.</summary>
    /// <param name="gradients">[length].</param>
    /// <param name="sums">[2 x <see cref="Parts"/>]: the doubles, each in the place of two fp32 elements; overwritten.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or the tensors overlap.</exception>
    public void SumsOfSquares(Tensor gradients, Tensor sums)
    {
        using ProfilerRange range = Range();
        Check.Is(gradients, Engine, new Shape(gradients.Length));
        Check.Is(sums, Engine, new Shape(2 * Parts(gradients.Length)));
        Check.Disjoint(sums, gradients);
        if (gradients.Length > 0)
            SumsOfSquaresCore(gradients, sums);
    }

    /// <summary><see cref="SumsOfSquares"/> on validated arguments, not empty.</summary>
    protected abstract void SumsOfSquaresCore(Tensor gradients, Tensor sums);

    /// <summary><see cref="Compute"/> on validated arguments.</summary>
    protected abstract void ComputeCore(Tensor gradients, float maxNorm, Tensor clip, Workspace workspace);
}
