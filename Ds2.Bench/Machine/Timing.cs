using System.Diagnostics;

namespace Ds2.Bench.Machine;

/// <summary>Times what runs again and again.</summary>
internal static class Timing
{
    /// <summary>The mean seconds of as many calls as fill a time, of one at least.</summary>
    public static double Mean(Action call, double seconds)
    {
        int calls = 0;
        long start = Stopwatch.GetTimestamp();
        double elapsed;
        do
        {
            call();
            calls++;
            elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        while (elapsed < seconds);
        return elapsed / calls;
    }
}
