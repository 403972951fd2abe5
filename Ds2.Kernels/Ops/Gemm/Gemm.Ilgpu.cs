using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gemm"/> on a GPU; the kernels are <see cref="GemmKernels"/>.</summary>
internal sealed class IlgpuGemm(IlgpuEngine engine) : Gemm(engine)
{
    private readonly GemmKernels kernels = new(engine);

    /// <inheritdoc/>
    protected override void MultiplyCore(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta, Tensor? bias) =>
        kernels.Multiply(
            shape,
            new GemmOperand(a, 0, shape.TransposeA ? shape.M : shape.K),
            new GemmOperand(b, 0, shape.TransposeB ? shape.K : shape.N),
            new GemmOperand(c, 0, shape.N),
            beta,
            bias);
}
