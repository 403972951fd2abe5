using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Dropout"/> on the CPU.</summary>
internal sealed unsafe class HostDropout(HostEngine engine) : Dropout(engine)
{
    /// <summary>Elements that a worker takes at a time: some 20 microseconds' work.</summary>
    private const int Part = 16384;

    /// <inheritdoc/>
    protected override void ApplyCore(Tensor x, uint threshold, float scale, uint key, Tensor y)
    {
        float* from = x.Pointer(), to = y.Pointer();
        int length = x.Length;
        Host.Workers.For(Division.Pieces(length, Part), part =>
        {
            int end = Math.Min((part + 1) * Part, length);
            for (int i = part * Part; i < end; i++)
                to[i] = Hash((uint)i, key) < threshold ? 0 : from[i] * scale;
        });
    }
}
