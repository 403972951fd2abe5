using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="BatchNorm"/> on the CPU.</summary>
internal sealed class HostBatchNorm(HostEngine engine) : BatchNorm(engine)
{
    /// <inheritdoc/>
    public override int WorkspaceFor(BatchNormShape shape) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void ForwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance,
        float momentum, float epsilon, Tensor y, Tensor mean, Tensor inverseDeviation, Workspace workspace) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void InferCore(
        BatchNormShape shape, Tensor x, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance, float epsilon, Tensor y) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor mean, Tensor inverseDeviation,
        Tensor dY, Tensor dX, Tensor dWeight, Tensor dBias, Workspace workspace) => throw new NotImplementedException();
}
