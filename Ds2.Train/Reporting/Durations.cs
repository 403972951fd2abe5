namespace Ds2.Train.Reporting;

/// <summary>Times as people read them.</summary>
internal static class Durations
{
    /// <summary>1:02:03 or 2:03.</summary>
    public static string Text(double seconds)
    {
        TimeSpan time = TimeSpan.FromSeconds(Math.Round(Math.Min(seconds, 1e9)));
        return time.TotalHours >= 1 ? $"{(long)time.TotalHours}:{time:mm\\:ss}" : $"{time:m\\:ss}";
    }
}
