namespace Ds2.Bench;

/// <summary>The figure that benchmarks report: a disturbed repetition or two do not move it.</summary>
internal static class Medians
{
    /// <summary>The middle value, or the mean of the middle two.</summary>
    public static double Median(this IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
