using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gemm"/> on the CPU.</summary>
internal sealed class HostGemm(HostEngine engine) : Gemm(engine)
{
    /// <inheritdoc/>
    protected override void MultiplyCore(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta, Tensor? bias) => throw new NotImplementedException();
}
