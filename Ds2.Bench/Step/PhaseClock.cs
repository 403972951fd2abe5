using System.Diagnostics;

namespace Ds2.Bench.Step;

/// <summary>Seconds of each phase of a step, the engine's queue drained at each lap.</summary>
/// <param name="engine">The engine that the step runs on; null where calls return when they are done.</param>
internal sealed class PhaseClock(IEngine? engine)
{
    private readonly List<double> laps = [];
    private long last = Stopwatch.GetTimestamp();

    /// <summary>Forward, loss, backward, update.</summary>
    public double[] Laps => [.. laps];

    /// <summary>Ends a phase.</summary>
    public void Lap()
    {
        engine?.Synchronize();
        laps.Add(Stopwatch.GetElapsedTime(last).TotalSeconds);
        last = Stopwatch.GetTimestamp();
    }
}
