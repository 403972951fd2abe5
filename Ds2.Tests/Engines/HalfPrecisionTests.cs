using Ds2.Kernels.Engines.Host;

namespace Ds2.Tests.Engines;

public sealed unsafe class HalfPrecisionTests
{
    private const int Halves = 1 << 16;

    [Test]
    public void Widen_EveryHalf_EqualsSystemHalf()
    {
        ushort[] halves = [.. Enumerable.Range(0, Halves).Select(bits => (ushort)bits)];
        uint[] words = [.. halves.Select((half, i) => half | ((uint)halves[^(i + 1)] << 16))];
        float[] first = new float[Halves], second = new float[Halves];
        fixed (uint* from = words)
        fixed (float* toFirst = first, toSecond = second)
            HalfPrecision.Widen(from, Halves, toFirst, toSecond);
        for (int i = 0; i < Halves; i++)
        {
            AssertSame(first[i], (float)BitConverter.UInt16BitsToHalf(halves[i]), $"half {i:x4}");
            AssertSame(second[^(i + 1)], first[i], $"half {i:x4} in the upper bits");
        }
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
        float[] backwards = [.. values.AsEnumerable().Reverse()];
        var narrowed = new uint[values.Length];
        fixed (float* first = values, second = backwards)
        fixed (uint* to = narrowed)
            Assert.That(HalfPrecision.Narrow(first, second, values.Length, to), Is.False, "not all are finite");
        for (int i = 0; i < values.Length; i++)
        {
            AssertSame((float)BitConverter.UInt16BitsToHalf((ushort)narrowed[i]), (float)(Half)values[i], $"{values[i]:R}");
            AssertSame((float)BitConverter.UInt16BitsToHalf((ushort)(narrowed[i] >> 16)), (float)(Half)backwards[i], $"{backwards[i]:R} in the upper bits");
        }
    }

    // Not one assertion of NUnit's for each of 400,000 numbers: they would take seconds.
    [Test]
    public void Narrow_SaysWhetherAllAreFinite([Values(0, 5, 16)] int place, [Values] bool inSecond)
    {
        float[] first = new float[17], second = new float[17];
        var words = new uint[17];
        first[3] = 65504;
        second[4] = -65519;
        fixed (float* one = first, other = second)
        fixed (uint* to = words)
        {
            Assert.That(HalfPrecision.Narrow(one, other, words.Length, to), Is.True);
            (inSecond ? second : first)[place] = -65520;
            Assert.That(HalfPrecision.Narrow(one, other, words.Length, to), Is.False);
        }
    }

    private static void AssertSame(float value, float expected, string name)
    {
        if (float.IsNaN(expected) ? !float.IsNaN(value) : BitConverter.SingleToInt32Bits(value) != BitConverter.SingleToInt32Bits(expected))
            Assert.Fail($"{name}: {value:R} instead of {expected:R}");
    }
}
