using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="TimeMajor"/> on the CPU.</summary>
internal sealed class HostTimeMajor(HostEngine engine) : TimeMajor(engine)
{
    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor dY, Tensor dX) => throw new NotImplementedException();
}
