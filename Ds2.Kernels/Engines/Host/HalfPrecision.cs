using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Fp32 to IEEE half precision and back, as <see cref="Half"/> converts, many at a time: .NET has no name for the processor's own conversions.</summary>
/// <remarks>
/// Halves are kept two in a word, the first in its low bits: shifts by a constant then take a register's words apart, and no lane moves to another.
/// Half to single: the exponent and mantissa moved to their places make a number 2^112 too small, of which a multiplication makes the right one, subnormal numbers included; infinities and
/// NaN get the largest exponent instead. Single to half: rounded by an addition that carries into the exponent; what becomes subnormal by adding a number whose last bit is the
/// smallest half. Source: Giesen, "half_to_float_fast", "float_to_half_fast3_rtne", 2012 (public domain).
/// </remarks>
internal static unsafe class HalfPrecision
{
    /// <summary>2^112: what a half moved to its place in fp32 has to be multiplied with, if it is finite.</summary>
    public const float Scale = 5192296858534827628530496329220096f;

    /// <summary>Bits from a word's first half to its second.</summary>
    public const int Length = 16;

    /// <summary>How far to the right a half in a word's upper bits is moved to its place in fp32.</summary>
    public const int MovedBy = SignShift - MantissaShift;

    /// <summary>The bits of its place: sign, exponent, mantissa. The others have copies of the sign, and what the word's lower bits had.</summary>
    public const int MovedBits = Sign | Fields;

    private const int MantissaShift = 13;
    private const int Sign = 1 << 31;
    private const int SignShift = 16;
    private const int Fields = 0x7fff << MantissaShift;
    private const int Infinity = 0x7c00;
    private const int NaN = 0x7e00;
    private const int InfinityFields = Infinity << MantissaShift;
    private const int LargestExponent = 0xff << FloatBits.ExponentShift;
    private const int BiasDifference = 112;
    private const int TooLarge = (FloatBits.Bias + 16) << FloatBits.ExponentShift;
    private const int LeastNormal = (FloatBits.Bias - 14) << FloatBits.ExponentShift;
    private const int Subnormal = (FloatBits.Bias - 1) << FloatBits.ExponentShift; // 0.5, whose last bit is 2^-24
    private const int RoundDown = (1 << (MantissaShift - 1)) - 1;

    /// <summary>The numbers in fp32: each row of words gives one of their first halves, then one of their second ones.</summary>
    /// <param name="source">[rows, width], words of two halves.</param>
    /// <param name="rows">Rows of words.</param>
    /// <param name="width">Words of a row.</param>
    /// <param name="target">[2 rows, width]; overwritten.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(uint* source, nint rows, nint width, float* target)
    {
        for (nint row = 0; row < rows; row++, source += width, target += 2 * width)
        {
            nint i = 0;
            for (; Avx512F.IsSupported && i <= width - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<int> words = Vector512.Load((int*)source + i);
                Widen(words << Length).Store(target + i);
                Widen(words).Store(target + width + i);
            }

            for (; Avx2.IsSupported && i <= width - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                Vector256<int> words = Vector256.Load((int*)source + i);
                Widen(words << Length).Store(target + i);
                Widen(words).Store(target + width + i);
            }

            for (; i < width; i++)
            {
                target[i] = (float)BitConverter.UInt16BitsToHalf((ushort)source[i]);
                target[width + i] = (float)BitConverter.UInt16BitsToHalf((ushort)(source[i] >> Length));
            }
        }
    }

    /// <summary>The numbers in half precision, to nearest, ties to even; beyond 65504 to infinity.</summary>
    /// <param name="first">[count]: what becomes the words' first halves.</param>
    /// <param name="second">[count]: what becomes their second halves.</param>
    /// <param name="count">Words.</param>
    /// <param name="target">The words; overwritten.</param>
    /// <returns>Whether all halves are finite.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Narrow(float* first, float* second, nint count, uint* target)
    {
        nint i = 0;
        Vector128<uint> largest = Vector128<uint>.Zero;
        for (; Vector128.IsHardwareAccelerated && i <= count - Vector128<float>.Count; i += Vector128<float>.Count)
        {
            Vector128<uint> low = Narrow(Vector128.Load(first + i)), high = Narrow(Vector128.Load(second + i));
            largest = Vector128.Max(largest, Vector128.Max(low & Vector128.Create((uint)Infinity), high & Vector128.Create((uint)Infinity)));
            (low | (high << Length)).Store(target + i);
        }

        bool isFinite = !Vector128.EqualsAny(largest, Vector128.Create((uint)Infinity));
        for (; i < count; i++)
        {
            Half low = (Half)first[i], high = (Half)second[i];
            isFinite &= Half.IsFinite(low) && Half.IsFinite(high);
            target[i] = BitConverter.HalfToUInt16Bits(low) | ((uint)BitConverter.HalfToUInt16Bits(high) << Length);
        }

        return isFinite;
    }

    // Of halves in the words' upper bits; what stands in the lower bits is left out.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen(Vector512<int> words)
    {
        Vector512<int> bits = words >> MovedBy, fields = bits & Vector512.Create(Fields), sign = bits & Vector512.Create(Sign);
        Vector512<int> size = (fields.AsSingle() * Vector512.Create(Scale)).AsInt32();
        size = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(fields, Vector512.Create(InfinityFields)), fields | Vector512.Create(LargestExponent), size);
        return (size | sign).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Widen(Vector256<int> words)
    {
        Vector256<int> bits = words >> MovedBy, fields = bits & Vector256.Create(Fields), sign = bits & Vector256.Create(Sign);
        Vector256<int> size = (fields.AsSingle() * Vector256.Create(Scale)).AsInt32();
        size = Vector256.ConditionalSelect(Vector256.GreaterThan(fields, Vector256.Create(InfinityFields - 1)), fields | Vector256.Create(LargestExponent), size);
        return (size | sign).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Narrow(Vector128<float> value)
    {
        Vector128<int> bits = value.AsInt32(), size = bits & Vector128.Create(~Sign);
        Vector128<int> odd = (size >>> MantissaShift) & Vector128<int>.One;
        Vector128<int> normal = (size - Vector128.Create((BiasDifference << FloatBits.ExponentShift) - RoundDown) + odd) >>> MantissaShift;
        Vector128<int> subnormal = (size.AsSingle() + Vector128.Create(Subnormal).AsSingle()).AsInt32() - Vector128.Create(Subnormal);
        Vector128<int> large = Vector128.ConditionalSelect(Vector128.GreaterThan(size, Vector128.Create(LargestExponent)), Vector128.Create(NaN), Vector128.Create(Infinity));
        Vector128<int> half = Vector128.ConditionalSelect(Vector128.LessThan(size, Vector128.Create(LeastNormal)), subnormal, normal);
        half = Vector128.ConditionalSelect(Vector128.LessThan(size, Vector128.Create(TooLarge)), half, large);
        return (half | ((bits & Vector128.Create(Sign)) >>> SignShift)).AsUInt32();
    }
}
