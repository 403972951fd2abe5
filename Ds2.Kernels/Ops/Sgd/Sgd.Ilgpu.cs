using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Sgd"/> on a GPU.</summary>
internal sealed class IlgpuSgd(IlgpuEngine engine) : Sgd(engine)
{
    /// <inheritdoc/>
    protected override void StepCore(SgdOptions options, Tensor clip, Tensor gradients, Tensor parameters, Tensor velocity) => throw new NotImplementedException();
}
