using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LogSoftmax"/> on a GPU.</summary>
internal sealed class IlgpuLogSoftmax(IlgpuEngine engine) : LogSoftmax(engine)
{
    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, Tensor y) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, Tensor dY, Tensor dX) => throw new NotImplementedException();
}
