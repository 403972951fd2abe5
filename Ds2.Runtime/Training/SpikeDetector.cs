namespace Ds2.Runtime.Training;

/// <summary>Tells a value that lies far above those before it.</summary>
/// <remarks>The z-score over a window, as in llm.c's outlier detector: (value - mean) / deviation of the last values, none before the window is full.
/// A value enters the window whatever is decided, so that a lasting change becomes the new normal.</remarks>
internal static class SpikeDetector
{
    /// <summary>Values in a full window.</summary>
    public const int Window = 128;

    /// <summary>Whether a value is a spike; then it joins the window.</summary>
    /// <param name="window">The values before, oldest first; changed.</param>
    /// <param name="value">The value; one that is not finite is no spike and does not join.</param>
    /// <param name="limit">The z-score above which it is one; 0 for never.</param>
    public static bool IsSpike(List<double> window, double value, double limit)
    {
        if (limit == 0 || !double.IsFinite(value))
            return false;
        bool spike = false;
        if (window.Count >= Window)
        {
            double mean = window.Average();
            double deviation = Math.Sqrt(window.Sum(other => (other - mean) * (other - mean)) / window.Count);
            spike = value - mean > limit * deviation && value > mean;
            window.RemoveAt(0);
        }

        window.Add(value);
        return spike;
    }
}
