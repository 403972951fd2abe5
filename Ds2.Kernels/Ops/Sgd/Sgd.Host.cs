using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Sgd"/> on the CPU.</summary>
internal sealed class HostSgd(HostEngine engine) : Sgd(engine)
{
    /// <inheritdoc/>
    protected override void StepCore(SgdOptions options, Tensor clip, Tensor gradients, Tensor parameters, Tensor velocity) => throw new NotImplementedException();
}
