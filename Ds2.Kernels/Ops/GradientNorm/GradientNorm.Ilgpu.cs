using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="GradientNorm"/> on a GPU.</summary>
internal sealed class IlgpuGradientNorm(IlgpuEngine engine) : GradientNorm(engine)
{
    /// <inheritdoc/>
    public override int WorkspaceFor(int length) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void ComputeCore(Tensor gradients, float maxNorm, Tensor clip, Workspace workspace) => throw new NotImplementedException();
}
