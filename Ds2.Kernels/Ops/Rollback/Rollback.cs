using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Takes back what a step has changed before anyone knew that its gradient is not finite: the running statistics of normalisations.</summary>
/// <remarks>The decision is <see cref="GradientNorm"/>'s factor and stays on the device: the host need not wait for it. The optimisers leave parameters and
/// their own state alone by the same factor, so that a step is done as a whole or not at all.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Rollback(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Rollback On(IEngine engine) => engine.Implement<Rollback>(host => new HostRollback(host), ilgpu => new IlgpuRollback(ilgpu));

    /// <summary>Keeps values: kept[i] = values[i].</summary>
    /// <param name="values">[length].</param>
    /// <param name="kept">[length]; overwritten.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or the tensors overlap.</exception>
    public void Keep(Tensor values, Tensor kept)
    {
        using ProfilerRange range = Range();
        CheckCommon(values, kept);
        if (values.Length > 0)
            KeepCore(values, kept);
    }

    /// <summary>Takes them back, values[i] = kept[i], where the factor is 0 or values[i] is not finite; else they stay.</summary>
    /// <param name="clip">[2]: norm and factor, from <see cref="GradientNorm.Compute"/>.</param>
    /// <param name="kept">[length], from <see cref="Keep"/>.</param>
    /// <param name="values">[length]; updated.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or the tensors overlap.</exception>
    public void Apply(Tensor clip, Tensor kept, Tensor values)
    {
        using ProfilerRange range = Range();
        Check.Is(clip, Engine, new Shape(2));
        CheckCommon(values, kept);
        if (values.Length > 0)
            ApplyCore(clip, kept, values);
    }

    /// <summary><see cref="Keep"/> on validated arguments, not empty.</summary>
    protected abstract void KeepCore(Tensor values, Tensor kept);

    /// <summary><see cref="Apply"/> on validated arguments, not empty.</summary>
    protected abstract void ApplyCore(Tensor clip, Tensor kept, Tensor values);

    private void CheckCommon(Tensor values, Tensor kept)
    {
        Check.Is(values, Engine, new Shape(values.Length));
        Check.Is(kept, Engine, values.Shape);
        Check.Disjoint(kept, values);
    }
}
