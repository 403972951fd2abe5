namespace Ds2.Runtime.Features;

/// <summary>One filter of a mel bank: the bins it touches, and their weights.</summary>
/// <param name="First">The first bin of non-zero weight.</param>
/// <param name="Weights">The weights from there on.</param>
internal readonly record struct MelFilter(int First, double[] Weights)
{
    /// <summary>A triangle over low..high Hz with its peak of 2 / (high - low) at the centre: unit area.</summary>
    public static MelFilter Triangle(double low, double centre, double high, int bins, double binWidth)
    {
        double[] all = new double[bins];
        for (int bin = 0; bin < bins; bin++)
        {
            double hertz = bin * binWidth;
            double height = Math.Min((hertz - low) / (centre - low), (high - hertz) / (high - centre));
            all[bin] = Math.Max(0, height) * 2 / (high - low);
        }
        int first = Array.FindIndex(all, w => w > 0), last = Array.FindLastIndex(all, w => w > 0);
        return first < 0 ? new MelFilter(0, []) : new MelFilter(first, all[first..(last + 1)]);
    }

    /// <summary>The energy under the filter.</summary>
    public double Apply(ReadOnlySpan<double> power)
    {
        double sum = 0;
        ReadOnlySpan<double> under = power.Slice(First, Weights.Length);
        for (int i = 0; i < under.Length; i++)
            sum += under[i] * Weights[i];
        return sum;
    }
}
