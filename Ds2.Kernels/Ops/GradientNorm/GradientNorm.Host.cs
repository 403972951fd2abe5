using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="GradientNorm"/> on the CPU.</summary>
internal sealed class HostGradientNorm(HostEngine engine) : GradientNorm(engine)
{
    /// <inheritdoc/>
    public override int WorkspaceFor(int length) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void ComputeCore(Tensor gradients, float maxNorm, Tensor clip, Workspace workspace) => throw new NotImplementedException();
}
