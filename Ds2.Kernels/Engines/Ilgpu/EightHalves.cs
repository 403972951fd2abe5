using System.Runtime.CompilerServices;
using ILGPU;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Eight numbers in half precision, moved as the 128 bits of a <see cref="Float4"/>: two in each word, the first one low.</summary>
/// <remarks>
/// Decoding is a conversion instruction a number (HADD2.F32 on a P100, as fast as an addition, from either half of a register). Encoding rounds in integers: ILGPU's
/// CPU device rounds its conversion to Half otherwise than IEEE 754 and CUDA do.
/// </remarks>
internal static class EightHalves
{
    private const uint SignBit = 0x80000000;
    private const uint Infinity = 0x7f800000;

    // As fp32 bits: the smallest normal half, 2^-14; what is too large for one, 2^16; and 1/2, whose last place is the last place of the subnormal halves.
    private const uint SmallestNormal = 0x38800000;
    private const uint TooLarge = 0x47800000;
    private const uint OneHalf = 0x3f000000;

    /// <summary>Eight numbers, rounded to nearest, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 Encode(Float4 first, Float4 second) =>
        new(Pair(first.X, first.Y), Pair(first.Z, first.W), Pair(second.X, second.Y), Pair(second.Z, second.W));

    /// <summary>The first four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 First(Float4 halves) => Decode(halves.X, halves.Y);

    /// <summary>The last four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 Second(Float4 halves) => Decode(halves.Z, halves.W);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 Decode(float pair0, float pair1)
    {
        uint word0 = Interop.FloatAsInt(pair0), word1 = Interop.FloatAsInt(pair1);
        return new Float4(Single(word0), Single(word0 >> 16), Single(word1), Single(word1 >> 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Single(uint low) => Interop.IntAsFloat((ushort)low);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Pair(float low, float high) => Interop.IntAsFloat(Bits(low) | Bits(high) << 16);

    private static uint Bits(float value)
    {
        uint bits = Interop.FloatAsInt(value);
        uint sign = (bits & SignBit) >> 16;
        uint size = bits & ~SignBit;
        if (size > Infinity)
            return sign | 0x7e00;
        if (size >= TooLarge)
            return sign | 0x7c00;

        // The sum rounds to the subnormal halves' last place. A carry out of a mantissa counts the exponent up, at last to infinity.
        if (size < SmallestNormal)
            return sign | (Interop.FloatAsInt(Interop.IntAsFloat(size) + 0.5f) - OneHalf);
        return sign | (size - (SmallestNormal - (1u << 23)) + 0xfff + (size >> 13 & 1)) >> 13;
    }
}
