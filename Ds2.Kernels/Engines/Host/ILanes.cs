using System.Numerics;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Several fp32 numbers, the lanes of a vector register, that one instruction works on: the same kernel source serves every register width, down to one number.</summary>
/// <remarks>
/// An implementation is a struct around one register, so the just-in-time compiler writes each width's kernel as if by hand. The one-number form
/// computes the tails and everything on machines without vector instructions; its arithmetic rounds as the vectors' does, so where an
/// array's tail begins does not change a result.
/// </remarks>
internal unsafe interface ILanes<TSelf> :
    IAdditionOperators<TSelf, TSelf, TSelf>, ISubtractionOperators<TSelf, TSelf, TSelf>,
    IMultiplyOperators<TSelf, TSelf, TSelf>, IDivisionOperators<TSelf, TSelf, TSelf>
    where TSelf : unmanaged, ILanes<TSelf>
{
    /// <summary>The numbers in a register.</summary>
    static abstract int Count { get; }

    /// <summary>The numbers that stand at an address; it need not be aligned.</summary>
    static abstract TSelf Load(float* source);

    /// <summary>One number in every lane.</summary>
    static abstract TSelf All(float value);

    /// <summary>a b + c, rounded once where the machine can.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>sum += a b, rounded once where the machine can.</summary>
    /// <remarks>
    /// What a hot loop accumulates with: the result is written to the sum's own field, so that the compiler multiplies into its register; the result of
    /// <see cref="MultiplyAdd"/> it puts into an operand's register where that is used no more, and copies it from there.
    /// </remarks>
    static abstract void AddProduct(ref TSelf sum, TSelf a, TSelf b);

    /// <summary>The smaller of two numbers; the second where one is NaN.</summary>
    static abstract TSelf Min(TSelf a, TSelf b);

    /// <summary>The larger of two numbers; the second where one is NaN.</summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    /// <summary>The square root.</summary>
    static abstract TSelf Sqrt(TSelf a);

    /// <summary>In each lane <paramref name="yes"/> where a is less than b, else <paramref name="no"/>; with NaN, <paramref name="no"/>.</summary>
    static abstract TSelf WhereLess(TSelf a, TSelf b, TSelf yes, TSelf no);

    /// <summary>2^n for a whole number n in -126..127.</summary>
    static abstract TSelf PowerOfTwo(TSelf n);

    /// <summary>A positive normal number's exponent e and significand m, number = 2^e m, sqrt(1/2) &lt;= m &lt; sqrt(2).</summary>
    static abstract TSelf Split(TSelf number, out TSelf significand);

    /// <summary>The sum of all lanes, halves first: the roundings are those of the logarithm of the lanes' number.</summary>
    float Sum();

    /// <summary>The largest of all lanes; none may be NaN.</summary>
    float Max();

    /// <summary>The numbers at even and at odd places of two registers' length, from an address; it need not be aligned.</summary>
    static abstract void LoadPairs(float* source, out TSelf even, out TSelf odd);

    /// <summary>Writes two registers alternately: even, odd, even, odd.</summary>
    static abstract void StorePairs(TSelf even, TSelf odd, float* destination);

    /// <summary>Of as many words of two halves as a register has lanes, the numbers of the first and of the second halves, both 1 / <see cref="HalfPrecision.Scale"/> of their size.
    /// They must be finite.</summary>
    static abstract void LoadHalves(uint* source, out TSelf first, out TSelf second);

    /// <summary>Writes the numbers to an address; it need not be aligned.</summary>
    void Store(float* destination);
}
