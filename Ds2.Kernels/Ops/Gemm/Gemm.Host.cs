using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gemm"/> on the CPU.</summary>
internal sealed unsafe class HostGemm(HostEngine engine) : Gemm(engine)
{
    /// <inheritdoc/>
    protected override void MultiplyCore(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta, Tensor? bias) =>
        MatrixProduct.Multiply(
            Host, shape.M, shape.N, shape.K, shape.TransposeA, shape.TransposeB,
            a.Pointer(), shape.TransposeA ? shape.M : shape.K, b.Pointer(), shape.TransposeB ? shape.K : shape.N,
            c.Pointer(), shape.N, beta, bias is null ? null : bias.Pointer());
}
