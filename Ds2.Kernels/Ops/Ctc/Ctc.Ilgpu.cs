using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Ctc"/> on a GPU.</summary>
internal sealed class IlgpuCtc(IlgpuEngine engine) : Ctc(engine)
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
