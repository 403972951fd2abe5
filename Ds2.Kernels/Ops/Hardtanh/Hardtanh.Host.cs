using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Hardtanh"/> on the CPU.</summary>
internal sealed class HostHardtanh(HostEngine engine) : Hardtanh(engine)
{
    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, float low, float high, Tensor y) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, float low, float high, Tensor dY, Tensor dX) => throw new NotImplementedException();
}
