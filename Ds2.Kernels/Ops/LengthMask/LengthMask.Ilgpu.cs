using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LengthMask"/> on a GPU.</summary>
internal sealed class IlgpuLengthMask(IlgpuEngine engine) : LengthMask(engine)
{
    /// <inheritdoc/>
    protected override void ApplyCore(Tensor x, IntTensor lengths) => throw new NotImplementedException();
}
