using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="LengthMask"/> on the CPU.</summary>
internal sealed unsafe class HostLengthMask(HostEngine engine) : LengthMask(engine)
{
    /// <inheritdoc/>
    protected override void ApplyCore(Tensor x, IntTensor lengths)
    {
        int channels = x.Shape[1], rows = x.Shape[2], frames = x.Shape[3];
        float* data = x.Pointer();
        int* valid = lengths.Pointer();
        Host.Workers.For(x.Shape[0] * channels, plane =>
        {
            int length = valid[plane / channels];
            for (int row = 0; row < rows; row++)
                new Span<float>(data + ((nint)plane * rows + row) * frames + length, frames - length).Clear();
        });
    }
}
