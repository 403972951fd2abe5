using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LogSoftmax"/> on the CPU.</summary>
internal sealed class HostLogSoftmax(HostEngine engine) : LogSoftmax(engine)
{
    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, Tensor dY, Tensor dX) => throw new NotImplementedException();
}
