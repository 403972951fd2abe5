using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Ds2.Runtime.Distributed;

/// <summary>How a rank waits between two looks at whether a call is done: shortly on its core, then giving the core to whoever wants it, then asleep, longer and longer.</summary>
/// <remarks>
/// The library moves data only within calls, so sleep while there is something to move costs bandwidth; and waiting awake takes a core from ranks that still compute where there
/// are fewer cores than ranks. Looks that moved something are told by their length: one that finds nothing takes far less than a microsecond, a fragment's copy several.
/// </remarks>
internal partial struct Waiting
{
    private const double Microsecond = 1e-6;
    private static readonly long Moved = Ticks(3 * Microsecond), Spinning = Ticks(20 * Microsecond), Yielding = Ticks(500 * Microsecond);
    private readonly long start;
    private long lastMoved, lookedAt;

    private Waiting(long now) => (start, lastMoved, lookedAt) = (now, now, now);

    /// <summary>Seconds since the beginning.</summary>
    public readonly double Seconds => (lookedAt - start) / (double)Stopwatch.Frequency;

    /// <summary>Begins to wait.</summary>
    public static Waiting Start() => new(Stopwatch.GetTimestamp());

    /// <summary>A look begins.</summary>
    public void Look() => lookedAt = Stopwatch.GetTimestamp();

    /// <summary>The look has found that it is not done yet: waits a little.</summary>
    public void Pause()
    {
        long now = Stopwatch.GetTimestamp();
        if (now - lookedAt > Moved)
            lastMoved = now;
        long idle = now - lastMoved;
        if (idle < Spinning)
            Thread.SpinWait(8);
        else if (idle < Yielding)
            Thread.Yield();
        else
            _ = Sleep((uint)Math.Clamp(idle / (8 * Microsecond * Stopwatch.Frequency), 50, 1000));
    }

    private static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    // Thread.Sleep knows whole milliseconds only.
    [LibraryImport("libc", EntryPoint = "usleep")]
    private static partial int Sleep(uint microseconds);
}
