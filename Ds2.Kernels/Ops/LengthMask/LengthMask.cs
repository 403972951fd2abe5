using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Zeroes the frames after each utterance's end, so that padding does not leak through the next convolution's window.</summary>
/// <remarks>x[n, c, f, t] = 0 for t >= lengths[n]. Being a product with a constant, it is its own gradient: apply it to dY as well.
/// What stood in the padding, NaN included, is gone.</remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class LengthMask(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static LengthMask On(IEngine engine) =>
        engine.Implement<LengthMask>(host => new HostLengthMask(host), ilgpu => new IlgpuLengthMask(ilgpu));

    /// <summary>Zeroes the padded frames in place.</summary>
    /// <param name="x">[N, C, F, T]; overwritten at padded frames.</param>
    /// <param name="lengths">[N]: valid frames of each utterance, 0..T.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs.</exception>
    public void Apply(Tensor x, IntTensor lengths)
    {
        using ProfilerRange range = Range();
        Check.That(x.Shape.Rank == 4, $"x is [N, C, F, T], not {x.Shape}");
        Check.Is(x, Engine, x.Shape);
        Check.Is(lengths, Engine, new Shape(x.Shape[0]));
        if (x.Length > 0)
            ApplyCore(x, lengths);
    }

    /// <summary><see cref="Apply"/> on validated arguments, not empty.</summary>
    protected abstract void ApplyCore(Tensor x, IntTensor lengths);
}
