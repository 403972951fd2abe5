using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="TimeMajor"/> on a GPU.</summary>
internal sealed class IlgpuTimeMajor(IlgpuEngine engine) : TimeMajor(engine)
{
    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor dY, Tensor dX) => throw new NotImplementedException();
}
