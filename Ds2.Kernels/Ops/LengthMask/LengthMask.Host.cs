using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LengthMask"/> on the CPU.</summary>
internal sealed class HostLengthMask(HostEngine engine) : LengthMask(engine)
{
    /// <inheritdoc/>
    protected override void ApplyCore(Tensor x, IntTensor lengths) => throw new NotImplementedException();
}
