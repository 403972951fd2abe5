namespace Ds2.Bench.Peers;

/// <summary>How far two results are apart.</summary>
internal static class Norms
{
    /// <summary>||actual - expected|| / ||expected||; NaN or infinite where a number is, or where all expected ones are zero.</summary>
    public static double RelativeDifference(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        (double difference, double size) = Squares(actual, expected);
        return Math.Sqrt(difference / size);
    }

    /// <summary>The sums of (actual - expected)² and of expected².</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static (double Difference, double Size) Squares(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double factor = 1)
    {
        if (actual.Length != expected.Length)
            throw new ArgumentException($"{actual.Length} numbers cannot be compared with {expected.Length}");
        double difference = 0, size = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double error = factor * actual[i] - expected[i];
            difference += error * error;
            size += (double)expected[i] * expected[i];
        }

        return (difference, size);
    }
}
