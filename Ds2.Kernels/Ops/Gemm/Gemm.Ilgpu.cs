using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gemm"/> on a GPU; the kernels are <see cref="GemmKernels"/>.</summary>
internal sealed class IlgpuGemm(IlgpuEngine engine) : Gemm(engine)
{
    private readonly GemmKernels kernels = new(engine);

    /// <inheritdoc/>
    public override int WorkspaceFor(GemmShape shape) => Workspace.Round(kernels.SlicesLength(shape));

    /// <inheritdoc/>
    protected override void MultiplyCore(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta, Tensor? bias, Workspace? workspace) =>
        kernels.Multiply(
            shape,
            new GemmOperand(a, 0, shape.TransposeA ? shape.M : shape.K),
            new GemmOperand(b, 0, shape.TransposeB ? shape.K : shape.N),
            new GemmOperand(c, 0, shape.N),
            beta,
            bias,
            workspace is not null && kernels.SlicesLength(shape) is > 0 and int length ? workspace.Take(new Shape(length)) : null);

    /// <inheritdoc/>
    protected override void MultiplyEachCore(GemmShape shape, int count, Tensor a, Tensor b, Tensor c) => kernels.MultiplyEach(shape, count, a, b, c);

    /// <inheritdoc/>
    protected override void MultiplySymmetricCore(GemmShape shape, int count, Tensor a, Tensor b, Tensor c) => kernels.MultiplySymmetric(shape, count, a, b, c);
}
