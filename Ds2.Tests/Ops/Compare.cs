using System.Runtime.CompilerServices;

namespace Ds2.Tests.Ops;

/// <summary>Holds an engine's result against the double-precision reference.</summary>
internal static class Compare
{
    /// <summary>Asserts that every element, and the mean square error, is within the tolerance; NaN matches NaN, an infinity itself.</summary>
    public static void Close(
        Tensor actual, double[] expected, Tolerance tolerance, string context = "", [CallerArgumentExpression(nameof(actual))] string name = "")
    {
        Close(Array.ConvertAll(actual.ToArray(), x => (double)x), expected, tolerance, $"{name} {actual.Shape} {context}", actual.Shape);
    }

    /// <summary>The same for two arrays.</summary>
    public static void Close(double[] actual, double[] expected, Tolerance tolerance, string context, Shape? shape = null)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), context);
        double squaredError = 0, squaredReference = 0, worstExcess = 0;
        int worst = -1, misses = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double excess;
            if (double.IsFinite(expected[i]) && double.IsFinite(actual[i]))
            {
                double error = Math.Abs(actual[i] - expected[i]);
                squaredError += error * error;
                squaredReference += expected[i] * expected[i];
                excess = error - (tolerance.Absolute + tolerance.Relative * Math.Abs(expected[i]));
            }
            else
            {
                excess = actual[i].Equals(expected[i]) ? 0 : double.PositiveInfinity;
            }

            if (excess > 0)
                misses++;
            if (excess > worstExcess)
                (worst, worstExcess) = (i, excess);
        }

        if (worst >= 0)
            Assert.Fail($"{context}: {misses} of {expected.Length} elements differ, the worst at {Index(worst, shape)}: {actual[worst]:g9}, expected {expected[worst]:g9}");
        double allowed = tolerance.MeanSquare * squaredReference + expected.Length * tolerance.Absolute * tolerance.Absolute;
        Assert.That(squaredError, Is.LessThanOrEqualTo(allowed), $"{context}: squared error, reference {squaredReference:g4}");
    }

    /// <summary>Asserts that two results are the same bit for bit.</summary>
    public static void BitEqual(float[] actual, float[] expected, string context = "")
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), context);
        for (int i = 0; i < expected.Length; i++)
            if (BitConverter.SingleToInt32Bits(actual[i]) != BitConverter.SingleToInt32Bits(expected[i]))
                Assert.Fail($"{context}: element {i} is {actual[i]:g9} and was {expected[i]:g9}");
    }

    /// <summary>fp32 numbers as the reference takes them.</summary>
    public static double[] ToDouble(this float[] numbers) => Array.ConvertAll(numbers, x => (double)x);

    /// <summary>A tensor's contents as the reference takes them.</summary>
    public static double[] ToDouble(this Tensor tensor) => tensor.ToArray().ToDouble();

    private static string Index(int flat, Shape? shape)
    {
        if (shape is not Shape sizes)
            return $"[{flat}]";
        var index = new int[sizes.Rank];
        for (int d = sizes.Rank - 1; d >= 0; d--)
        {
            index[d] = flat % sizes[d];
            flat /= sizes[d];
        }

        return $"[{string.Join(", ", index)}]";
    }
}
