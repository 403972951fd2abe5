using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Ctc"/> on the CPU.</summary>
internal sealed class HostCtc(HostEngine engine) : Ctc(engine)
{
    /// <inheritdoc/>
    public override int BackwardWorkspace(CtcShape shape) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void ForwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha,
        float scale, Tensor dLogits, Workspace workspace) => throw new NotImplementedException();
}
