using System.Diagnostics;
using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary>Times both sides of a pair in turns, so that what else happens on the machine meets both.</summary>
/// <param name="repeats">Turns of each.</param>
/// <param name="budget">Seconds after which no further turn begins; each side has one at least.</param>
internal sealed class Alternation(int repeats, double budget)
{
    private const double SecondsOfATurn = 0.1;
    private const int MostCallsOfATurn = 50;

    /// <summary>Untimed calls before a turn's: after a pause caches are cold, threads asleep and clocks low, which an op in the midst of a step never meets.</summary>
    private const double WarmingSeconds = 0.05;

    /// <summary>A library's idle threads may spin for a while: the other's turn waits for their sleep.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Runs each side once and compares the results, then times them.</summary>
    /// <exception cref="InvalidOperationException">The results differ.</exception>
    public PeerTime Measure(Pair pair)
    {
        long start = Stopwatch.GetTimestamp();
        double difference;
        using (torch.NewDisposeScope())
        {
            pair.Ds2.Prepare?.Invoke();
            pair.Ds2.Run();
            pair.Torch.Prepare?.Invoke();
            pair.Torch.Run();
            difference = pair.Difference();
        }

        Side[] sides = [pair.Ds2, pair.Torch];
        double[] first = [.. sides.Select(side => Turn(side, 1).Single())];
        List<double>[] seconds = [[], []];
        for (int repeat = 0; repeat < repeats && (repeat == 0 || Stopwatch.GetElapsedTime(start).TotalSeconds < budget); repeat++)
        {
            for (int k = 0; k < sides.Length; k++)
            {
                int calls = (int)Math.Clamp(SecondsOfATurn / first[k], 1, MostCallsOfATurn);
                seconds[k].AddRange(Turn(sides[k], calls));
            }
        }

        return new PeerTime(pair.Name, pair.Size, seconds[0].Median(), seconds[1].Median(), difference);
    }

    /// <summary>Seconds of each of several calls behind one another.</summary>
    private static List<double> Turn(Side side, int calls)
    {
        Thread.Sleep(Pause);
        long start = Stopwatch.GetTimestamp();
        while (calls > 1 && Stopwatch.GetElapsedTime(start).TotalSeconds < WarmingSeconds)
            Call(side);
        var seconds = new List<double>(calls);
        for (int call = 0; call < calls; call++)
            seconds.Add(Call(side));
        return seconds;
    }

    private static double Call(Side side)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        side.Prepare?.Invoke();
        long start = Stopwatch.GetTimestamp();
        side.Run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
