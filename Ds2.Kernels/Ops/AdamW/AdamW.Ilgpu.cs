using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="AdamW"/> on a GPU.</summary>
internal sealed class IlgpuAdamW(IlgpuEngine engine) : AdamW(engine)
{
    /// <inheritdoc/>
    protected override void StepCore(
        AdamWOptions options, int step, Tensor clip, Tensor gradients, Tensor parameters, Tensor firstMoment, Tensor secondMoment) => throw new NotImplementedException();
}
