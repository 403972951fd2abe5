using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Ds2.Runtime.Distributed;

/// <summary>How a rank waits between two looks at whether a call is done: shortly on its core, then giving the core to whoever wants it, then asleep, longer and longer; asleep from the first where others compute.</summary>
/// <remarks>
/// The library moves data only within calls, so sleep while there is something to move costs bandwidth; and waiting awake takes a core from ranks that still compute where there
/// are fewer cores than ranks. Looks that moved something are told by their length: one that finds nothing takes less than a microsecond in shared memory and some microseconds over TCP, a
/// fragment's copy several, and many fragments far more.
/// </remarks>
internal partial struct Waiting
{
    private const double Microsecond = 1e-6;
    private static readonly long MovedSome = Ticks(5 * Microsecond), MovedMuch = Ticks(30 * Microsecond), Spinning = Ticks(20 * Microsecond), Yielding = Ticks(500 * Microsecond);

    // Microseconds. Over a link of 10 Gbit/s, what comes in during a short one fits into a socket's memory.
    private const int ShortNap = 200, LongNap = 500;

    private readonly long start;
    private long lastMoved, lookedAt;

    private Waiting(long now) => (start, lastMoved, lookedAt) = (now, now, now);

    /// <summary>Seconds since the beginning.</summary>
    public readonly double Seconds => (lookedAt - start) / (double)Stopwatch.Frequency;

    /// <summary>Begins to wait.</summary>
    public static Waiting Start() => new(Stopwatch.GetTimestamp());

    /// <summary>A look begins.</summary>
    public void Look() => lookedAt = Stopwatch.GetTimestamp();

    /// <summary>The look has found that it is not done yet: waits a little, unless it has moved something.</summary>
    /// <param name="patient">Whether others compute meanwhile, whose core this must not take to look again and again.</param>
    public void Pause(bool patient)
    {
        long now = Stopwatch.GetTimestamp();
        if (now - lookedAt > (patient ? MovedMuch : MovedSome))
        {
            lastMoved = now;
            return;
        }

        long idle = now - lastMoved;
        if (!patient && idle < Spinning)
            Thread.SpinWait(8);
        else if (!patient && idle < Yielding)
            Thread.Yield();
        else
            _ = Sleep((uint)Math.Clamp(idle / (8 * Microsecond * Stopwatch.Frequency), patient ? ShortNap : 50, LongNap));
    }

    private static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    // Thread.Sleep knows whole milliseconds only.
    [LibraryImport("libc", EntryPoint = "usleep")]
    private static partial int Sleep(uint microseconds);
}
