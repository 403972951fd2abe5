using Ds2.Kernels.Engines.Host;

namespace Ds2.Tests.Engines;

public sealed unsafe class HalfPrecisionTests
{
    private const int Halves = 1 << 16;

    [Test]
    public void Widen_EveryHalf_EqualsSystemHalf()
    {
        ushort[] halves = [.. Enumerable.Range(0, Halves).Select(bits => (ushort)bits)];
        var widened = new float[Halves];
        fixed (ushort* from = halves)
        fixed (float* to = widened)
            HalfPrecision.Widen(from, Halves, to);
        for (int i = 0; i < Halves; i++)
            AssertSame(widened[i], (float)BitConverter.UInt16BitsToHalf(halves[i]), $"half {i:x4}");
    }

    [Test]
    public void Narrow_EveryHalfAndWhatLiesAround_RoundsAsSystemHalf()
    {
        // Each half, the middle to the next one (a tie), and the floats next to both.
        float[] values =
        [
            .. Enumerable.Range(0, Halves).SelectMany(bits =>
            {
                float half = (float)BitConverter.UInt16BitsToHalf((ushort)bits), next = (float)BitConverter.UInt16BitsToHalf((ushort)(bits + 1)), middle = (half + next) / 2;
                return new[] { half, float.BitIncrement(half), float.BitDecrement(half), middle, float.BitIncrement(middle), float.BitDecrement(middle) };
            }),
            65519.996f, 65520, 65536, float.MaxValue, float.MinValue, float.Epsilon, -float.Epsilon, 1e-40f, -1e-8f,
        ];
        var narrowed = new ushort[values.Length];
        fixed (float* from = values)
        fixed (ushort* to = narrowed)
            HalfPrecision.Narrow(from, values.Length, to);
        for (int i = 0; i < values.Length; i++)
            AssertSame((float)BitConverter.UInt16BitsToHalf(narrowed[i]), (float)(Half)values[i], $"{values[i]:R}");
    }

    // Not one assertion of NUnit's for each of 400,000 numbers: they would take seconds.
    private static void AssertSame(float value, float expected, string name)
    {
        if (float.IsNaN(expected) ? !float.IsNaN(value) : BitConverter.SingleToInt32Bits(value) != BitConverter.SingleToInt32Bits(expected))
            Assert.Fail($"{name}: {value:R} instead of {expected:R}");
    }
}
