using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Zeroes a random share of the elements and scales the others, so that the expectation stays.</summary>
/// <remarks>
/// y_i = x_i / (1 - share) where hash(i, key) lies above share, else 0. The mask is a function of the element's place and the key: nothing is kept for the backward pass, which is the same
/// operation on the gradient, and every engine draws the same one. Sources: Srivastava et al., JMLR 15 (2014); the hash is two rounds of a 32-bit finalizer (Wellons, "lowbias32", public domain).
/// </remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Dropout(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Dropout On(IEngine engine) => engine.Implement<Dropout>(host => new HostDropout(host), ilgpu => new IlgpuDropout(ilgpu));

    /// <summary>Drops elements of activations, or of their gradients.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="share">The share that is dropped, at least 0 and below 1.</param>
    /// <param name="key">Which mask: forward and backward pass of a batch have the same.</param>
    /// <param name="y">As x; overwritten. May be x itself.</param>
    /// <exception cref="ArgumentException">The shapes or engines differ, y overlaps x in part, or there is no such share.</exception>
    public void Apply(Tensor x, float share, uint key, Tensor y)
    {
        using ProfilerRange range = Range();
        Check.That(share is >= 0 and < 1, "the share lies in [0, 1)");
        Check.Is(x, Engine, x.Shape);
        Check.Is(y, Engine, x.Shape);
        Check.SameOrDisjoint(y, x);
        if (x.Length > 0)
            ApplyCore(x, Threshold(share), 1 / (1 - share), key, y);
    }

    /// <summary><see cref="Apply"/> on validated arguments, not empty.</summary>
    /// <param name="x">The input.</param>
    /// <param name="threshold">Elements whose <see cref="Hash"/> lies below are dropped.</param>
    /// <param name="scale">What the others are multiplied with.</param>
    /// <param name="key">The mask's.</param>
    /// <param name="y">The output.</param>
    protected abstract void ApplyCore(Tensor x, uint threshold, float scale, uint key, Tensor y);

    /// <summary>A number of 32 bits for an element of a mask.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint Hash(uint index, uint key) => Mix(Mix(index) + key);

    private static uint Threshold(float share) => (uint)(share * 4294967296.0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Mix(uint x)
    {
        x = (x ^ x >> 16) * 0x7FEB352D;
        x = (x ^ x >> 15) * 0x846CA68B;
        return x ^ x >> 16;
    }
}
