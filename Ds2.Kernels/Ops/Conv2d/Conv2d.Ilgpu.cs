using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Conv2d"/> on a GPU.</summary>
internal sealed class IlgpuConv2d(IlgpuEngine engine) : Conv2d(engine)
{
    /// <inheritdoc/>
    public override int ForwardWorkspace(Conv2dShape shape) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override int BackwardWorkspace(Conv2dShape shape) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void ForwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace) => throw new NotImplementedException();

    /// <inheritdoc/>
    protected override void BackwardCore(
        Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace) => throw new NotImplementedException();
}
