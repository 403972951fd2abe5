using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Rollback"/> on the CPU: a few thousand values, too few to share out.</summary>
internal sealed unsafe class HostRollback(HostEngine engine) : Rollback(engine)
{
    /// <inheritdoc/>
    protected override void KeepCore(Tensor values, Tensor kept) => Values(values).CopyTo(Values(kept));

    /// <inheritdoc/>
    protected override void ApplyCore(Tensor clip, Tensor kept, Tensor values)
    {
        Span<float> from = Values(kept), to = Values(values);
        if (clip.Pointer()[1] == 0)
        {
            from.CopyTo(to);
            return;
        }

        for (int i = 0; i < to.Length; i++)
        {
            if (!float.IsFinite(to[i]))
                to[i] = from[i];
        }
    }

    private static Span<float> Values(Tensor tensor) => new(tensor.Pointer(), tensor.Length);
}
