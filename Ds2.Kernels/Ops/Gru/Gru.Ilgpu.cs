using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gru"/> on a GPU.</summary>
internal sealed class IlgpuGru(IlgpuEngine engine) : Gru(engine)
{
    /// <inheritdoc/>
    public override int ForwardWorkspace(GruShape shape) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override int BackwardWorkspace(GruShape shape) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void ForwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights,
        Tensor y, Tensor hidden, Tensor gates, Tensor candidates, Workspace workspace) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor hidden, Tensor gates, Tensor candidates,
        Tensor dY, Tensor dX, ReadOnlySpan<GruWeights> gradients, Workspace workspace) => throw new NotImplementedException();
}
