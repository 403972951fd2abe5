using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gemm"/> on a GPU.</summary>
internal sealed class IlgpuGemm(IlgpuEngine engine) : Gemm(engine)
{
    /// <inheritdoc/>
    protected override void MultiplyCore(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta, Tensor? bias) => throw new NotImplementedException();
}
