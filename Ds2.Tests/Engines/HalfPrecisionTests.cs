using Ds2.Kernels.Engines.Host;

namespace Ds2.Tests.Engines;

public sealed unsafe class HalfPrecisionTests
{
    private const int Halves = 1 << 16;
    private const int Width = 32;

    [Test]
    public void Widen_EveryHalf_EqualsSystemHalf()
    {
        ushort[] halves = [.. Enumerable.Range(0, Halves).Select(bits => (ushort)bits)];
        uint[] words = [.. halves.Select((half, i) => half | ((uint)halves[^(i + 1)] << 16))];
        float[] widened = new float[2 * Halves], inRows = new float[2 * Halves];
        fixed (uint* from = words)
        fixed (float* to = widened, toRows = inRows)
        {
            HalfPrecision.Widen(from, 1, Halves, to);
            HalfPrecision.Widen(from, Halves / Width, Width, toRows);
        }

        for (int i = 0; i < Halves; i++)
        {
            AssertSame(widened[i], (float)BitConverter.UInt16BitsToHalf(halves[i]), $"half {i:x4}");
            AssertSame(widened[^(i + 1)], widened[i], $"half {i:x4} in the upper bits");
            int row = i / Width, column = i % Width;
            AssertSame(inRows[2 * row * Width + column], widened[i], $"half {i:x4} in rows");
            AssertSame(inRows[(2 * row + 1) * Width + column], widened[Halves + i], $"word {i:x4} in rows");
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
