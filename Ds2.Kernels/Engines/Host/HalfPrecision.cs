using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Fp32 to IEEE half precision and back, as <see cref="Half"/> converts, many at a time: .NET has no name for the processor's own conversions.</summary>
/// <remarks>
/// Half to single: the exponent and mantissa moved to their places make a number 2^112 too small, of which a multiplication makes the right one, subnormal numbers included; infinities and
/// NaN get the largest exponent instead. Single to half: rounded by an addition that carries into the exponent; what becomes subnormal by adding a number whose last bit is the
/// smallest half. Source: Giesen, "half_to_float_fast", "float_to_half_fast3_rtne", 2012 (public domain).
/// </remarks>
internal static unsafe class HalfPrecision
{
    private const int MantissaShift = 13;
    private const int Sign = 1 << 31;
    private const int SignShift = 16;
    private const int Fields = 0x7fff << MantissaShift;
    private const int Infinity = 0x7c00;
    private const int NaN = 0x7e00;
    private const int InfinityFields = Infinity << MantissaShift;
    private const int LargestExponent = 0xff << FloatBits.ExponentShift;
    private const int BiasDifference = 112;
    private const float Rescale = 5192296858534827628530496329220096f; // 2^112
    private const int TooLarge = (FloatBits.Bias + 16) << FloatBits.ExponentShift;
    private const int LeastNormal = (FloatBits.Bias - 14) << FloatBits.ExponentShift;
    private const int Subnormal = (FloatBits.Bias - 1) << FloatBits.ExponentShift; // 0.5, whose last bit is 2^-24
    private const int RoundDown = (1 << (MantissaShift - 1)) - 1;

    /// <summary>The numbers in fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(ushort* source, nint count, float* target)
    {
        nint i = 0;
        if (Avx512F.IsSupported)
            for (; i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<int> bits = Avx512F.ConvertToVector512Int32(Vector256.Load((short*)source + i)) << MantissaShift;
                Vector512<int> fields = bits & Vector512.Create(Fields), sign = bits & Vector512.Create(Sign);
                Vector512<int> size = (fields.AsSingle() * Vector512.Create(Rescale)).AsInt32();
                size = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(fields, Vector512.Create(InfinityFields)), fields | Vector512.Create(LargestExponent), size);
                (size | sign).AsSingle().Store(target + i);
            }

        if (Avx2.IsSupported)
            for (; i <= count - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                Vector256<int> bits = Avx2.ConvertToVector256Int32(Vector128.Load((short*)source + i)) << MantissaShift;
                Vector256<int> fields = bits & Vector256.Create(Fields), sign = bits & Vector256.Create(Sign);
                Vector256<int> size = (fields.AsSingle() * Vector256.Create(Rescale)).AsInt32();
                size = Vector256.ConditionalSelect(Vector256.GreaterThan(fields, Vector256.Create(InfinityFields - 1)), fields | Vector256.Create(LargestExponent), size);
                (size | sign).AsSingle().Store(target + i);
            }

        for (; i < count; i++)
            target[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
    }

    /// <summary>The numbers in half precision, to nearest, ties to even; beyond 65504 to infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Narrow(float* source, nint count, ushort* target)
    {
        nint i = 0;
        for (; Vector128.IsHardwareAccelerated && i <= count - 2 * Vector128<float>.Count; i += 2 * Vector128<float>.Count)
            Vector128.Narrow(Narrow(Vector128.Load(source + i)), Narrow(Vector128.Load(source + i + Vector128<float>.Count))).Store(target + i);
        for (; i < count; i++)
            target[i] = BitConverter.HalfToUInt16Bits((Half)source[i]);
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
