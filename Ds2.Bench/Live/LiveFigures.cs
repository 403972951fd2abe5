namespace Ds2.Bench.Live;

/// <summary>How late the text of live streams came.</summary>
internal sealed class LiveFigures
{
    private readonly List<double> latencies = [];
    private double piece;

    /// <summary>The fraction of the time that the machine was hearing.</summary>
    public double Busy { get; private set; }

    /// <summary>Bytes that a turn left to the garbage collector.</summary>
    public double GarbageATurn { get; private set; }

    /// <summary>Whether the last quarter's pieces were no later than two pieces and those of the first quarter.</summary>
    public bool KeepsUp
    {
        get
        {
            int quarter = Math.Max(1, latencies.Count / 4);
            return latencies.Count > 0 && latencies.TakeLast(quarter).Average() < latencies.Take(quarter).Average() + 1000 * piece && Percentile(0.5) < 2000 * piece;
        }
    }

    /// <summary>Adds the pieces of a turn, given when each arrived and when its text was known, in seconds.</summary>
    public void Add(IEnumerable<double> arrived, double done) => latencies.AddRange(arrived.Select(at => 1000 * (done - at)));

    /// <summary>Ends the measurement.</summary>
    public void End(double busy, double garbageATurn, double pieceSeconds) => (Busy, GarbageATurn, piece) = (busy, garbageATurn, pieceSeconds);

    /// <summary>Milliseconds that a fraction of the pieces took at most.</summary>
    public double Percentile(double fraction)
    {
        double[] sorted = [.. latencies.Order()];
        return sorted.Length == 0 ? double.NaN : sorted[Math.Min(sorted.Length - 1, (int)(fraction * sorted.Length))];
    }
}
