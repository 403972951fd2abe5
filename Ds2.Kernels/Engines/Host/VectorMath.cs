using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Elementary functions on <see cref="ILanes{TSelf}"/>, for every argument: they saturate where fp32 does, and NaN stays NaN.</summary>
/// <remarks>Polynomials interpolate at Chebyshev nodes. Bounds are in units of the last place of a normal result.</remarks>
internal static class VectorMath
{
    private const float Log2E = 1.44269504f;

    // ln 2 in two parts, the first short enough that its product with an exponent is exact (Cody, Waite).
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    // Adding and subtracting it rounds a number below 2^22 to a whole one.
    private const float Rounder = 12582912f;

    /// <summary>e^x within 2 units; 0 from -103.98 down (through the subnormals), +inf from 88.73 up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Exp<TLanes>(TLanes x)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        // x stands second: Min and Max hand NaN on from there. The bounds lie where the result has left fp32's range.
        x = TLanes.Max(TLanes.All(-105f), TLanes.Min(TLanes.All(90f), x));
        TLanes n = TLanes.MultiplyAdd(x, TLanes.All(Log2E), TLanes.All(Rounder)) - TLanes.All(Rounder);
        TLanes r = TLanes.MultiplyAdd(n, TLanes.All(-Ln2Low), TLanes.MultiplyAdd(n, TLanes.All(-Ln2High), x));
        TLanes p = TLanes.MultiplyAdd(TLanes.All(1.392625083e-3f), r, TLanes.All(8.363232884e-3f));
        p = TLanes.MultiplyAdd(p, r, TLanes.All(4.166655421e-2f));
        p = TLanes.MultiplyAdd(p, r, TLanes.All(1.666657667e-1f));
        p = TLanes.MultiplyAdd(p, r, TLanes.All(0.5f));
        p = TLanes.MultiplyAdd(p, r * r, r) + TLanes.All(1f);

        // 2^n in two factors: n reaches 130 and -151, a single's exponent does not.
        TLanes half = TLanes.MultiplyAdd(n, TLanes.All(0.5f), TLanes.All(Rounder)) - TLanes.All(Rounder);
        return p * TLanes.PowerOfTwo(half) * TLanes.PowerOfTwo(n - half);
    }

    /// <summary>ln x for x = 0 (-inf) and positive normal numbers within 2 units, near 1 as well.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Log<TLanes>(TLanes x)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        TLanes e = TLanes.Split(x, out TLanes m);

        // ln m = 2 artanh s with s = (m - 1) / (m + 1), |s| < 0.172: five terms of the series suffice.
        TLanes f = m - TLanes.All(1f);
        TLanes s = f / (m + TLanes.All(1f));
        TLanes s2 = s * s;
        TLanes p = TLanes.MultiplyAdd(s2, TLanes.All(2f / 9), TLanes.All(2f / 7));
        p = TLanes.MultiplyAdd(p, s2, TLanes.All(2f / 5));
        p = TLanes.MultiplyAdd(p, s2, TLanes.All(2f / 3)) * s2;

        // 2 s = f - s f exactly; f carries no rounding error, so the correction s (f - p) may.
        TLanes log = f - s * (f - p);
        log = TLanes.MultiplyAdd(e, TLanes.All(Ln2High), TLanes.MultiplyAdd(e, TLanes.All(Ln2Low), log));
        log = TLanes.WhereLess(TLanes.All(0f), x, log, x);
        return TLanes.WhereLess(x, TLanes.All(float.Epsilon), TLanes.All(float.NegativeInfinity), log);
    }

    /// <summary>1 / (1 + e^-x) within 4 units for x >= -87; below, 0 within 1.2e-38.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Sigmoid<TLanes>(TLanes x)
        where TLanes : unmanaged, ILanes<TLanes> =>
        TLanes.All(1f) / (TLanes.All(1f) + Exp(TLanes.All(0f) - x));

    /// <summary>The hyperbolic tangent within 4 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Tanh<TLanes>(TLanes x)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        // Near 0 the quotient below would lose x in 1; an odd polynomial keeps it.
        TLanes u = x * x;
        TLanes p = TLanes.MultiplyAdd(TLanes.All(-6.045165090e-3f), u, TLanes.All(2.096132910e-2f));
        p = TLanes.MultiplyAdd(p, u, TLanes.All(-5.384326317e-2f));
        p = TLanes.MultiplyAdd(p, u, TLanes.All(1.333271885e-1f));
        p = TLanes.MultiplyAdd(p, u, TLanes.All(-3.333332843e-1f));
        TLanes small = TLanes.MultiplyAdd(p * u, x, x);
        TLanes large = TLanes.All(1f) - TLanes.All(2f) / (TLanes.All(1f) + Exp(x + x));
        return TLanes.WhereLess(u, TLanes.All(0.39f), small, large);
    }
}
