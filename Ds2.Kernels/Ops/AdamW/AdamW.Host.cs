using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="AdamW"/> on the CPU.</summary>
internal sealed class HostAdamW(HostEngine engine) : AdamW(engine)
{
    /// <inheritdoc/>
    protected override void StepCore(
        AdamWOptions options, int step, Tensor clip, Tensor gradients, Tensor parameters, Tensor firstMoment, Tensor secondMoment) => throw new NotImplementedException();
}
