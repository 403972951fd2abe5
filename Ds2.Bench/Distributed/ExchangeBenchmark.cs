using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Ds2.Runtime.Distributed;

namespace Ds2.Bench.Distributed;

/// <summary>Our exchange and the library's in turns, each turn checked: gradients are integers that differ by element, rank and turn, so that sums in any order are exact.</summary>
/// <param name="communicator">The ranks.</param>
/// <param name="length">Elements of the gradient.</param>
/// <param name="pieceLength">Elements under way at once.</param>
/// <param name="fault">What the last rank does wrong after the first turn.</param>
internal sealed class ExchangeBenchmark(ICommunicator communicator, int length, int pieceLength, Fault fault)
{
    private const int Mask = 1023, AbortCode = 7;
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };
    private readonly float[] gradient = new float[length];
    private readonly GradientExchange exchange = new(communicator, pieceLength);

    /// <summary>Runs and prints, from rank 0.</summary>
    /// <returns>The exit code.</returns>
    public int Run(int rounds, bool asJson)
    {
        CallCheck.Run(communicator);
        var library = communicator as MpiCommunicator;
        List<double> ours = [], theirs = [];
        // The first turn is not counted: memory is touched and code compiled.
        for (int round = 0; round <= rounds; round++)
        {
            // Who begins changes from turn to turn.
            for (int half = 0; half < 2; half++)
            {
                bool our = (round + half) % 2 == 0;
                if (!our && library is null)
                    continue;
                double seconds = Time(our ? () => exchange.Run(gradient) : () => library!.AllReduceByLibrary(gradient), 2 * round + half);
                if (round > 0)
                    (our ? ours : theirs).Add(seconds);
            }

            if (round == 0 && communicator.Rank == communicator.Ranks - 1)
                GoWrong();
        }

        if (communicator.Rank == 0)
            Print(library, ours, theirs, asJson);
        return 0;
    }

    /// <summary>Seconds of the slowest rank.</summary>
    private double Time(Action call, int turn)
    {
        Fill(turn);
        communicator.Barrier();
        long start = Stopwatch.GetTimestamp();
        call();
        double own = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double seconds = communicator.AllGather(MemoryMarshal.AsBytes([own])).Max(message => MemoryMarshal.Read<double>(message));
        if (FirstWrong(turn) is { } at)
            throw new InvalidOperationException($"rank {communicator.Rank}: element {at} is {gradient[at]} in turn {turn}, and not {Expected(at, turn)}");
        return seconds;
    }

    private void Fill(int turn)
    {
        for (int i = 0; i < gradient.Length; i++)
            gradient[i] = Value(i, communicator.Rank, turn);
    }

    private int? FirstWrong(int turn)
    {
        for (int i = 0; i < gradient.Length; i++)
        {
            if (gradient[i] != Expected(i, turn))
                return i;
        }

        return null;
    }

    private float Expected(int element, int turn)
    {
        int sum = 0;
        for (int rank = 0; rank < communicator.Ranks; rank++)
            sum += Value(element, rank, turn);
        return sum;
    }

    private static int Value(int element, int rank, int turn) => (element + 7 * rank * (element >> 10 & 15) + 13 * turn + rank) & Mask;

    private void GoWrong()
    {
        switch (fault)
        {
            case Fault.Abort:
                communicator.Abort(AbortCode);
                break;
            case Fault.Stall:
                Thread.Sleep(Timeout.Infinite);
                break;
            case Fault.Kill:
                Process.GetCurrentProcess().Kill();
                break;
            case Fault.NullReference:
                try
                {
                    Console.WriteLine(Length(null!));
                }
                catch (NullReferenceException)
                {
                    Console.WriteLine("caught");
                }

                break;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Length(string text) => text.Length;

    private void Print(MpiCommunicator? library, List<double> ours, List<double> theirs, bool asJson)
    {
        double bytes = sizeof(float) * (double)length;
        double rate = bytes / ours.Median() / 1e9;
        double? theirRate = library is null ? null : bytes / theirs.Median() / 1e9;
        // Of neighbouring turns: both had the machine as it was then.
        double? ratio = library is null ? null : ours.Zip(theirs, (our, their) => our / their).Median();
        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(
                new { library = library?.Library, ranks = communicator.Ranks, megabytes = bytes / 1e6, pieceMegabytes = pieceLength * sizeof(float) / 1e6, gigabytesPerSecond = rate, allreduceGigabytesPerSecond = theirRate, ratio, seconds = ours, allreduceSeconds = theirs },
                Json));
            return;
        }

        Console.WriteLine($"{library?.Library ?? "alone"}, {communicator.Ranks} ranks, {bytes / 1e6:F0} MB in pieces of {pieceLength * sizeof(float) / 1e6:G3} MB, medians of {ours.Count} turns; GB/s are gradient bytes of a rank over the slowest rank's time");
        List<string[]> rows = [["exchange", "GB/s", "ms", "best ms"], Row("ours", ours)];
        if (library is not null)
            rows.Add(Row("MPI_Allreduce", theirs));
        Console.WriteLine(MarkdownTable.Of(rows));
        if (ratio is not null)
            Console.WriteLine($"our time over MPI_Allreduce's: {ratio:F2}");

        string[] Row(string name, List<double> seconds) => [name, $"{bytes / seconds.Median() / 1e9:F2}", $"{1000 * seconds.Median():F1}", $"{1000 * seconds.Min():F1}"];
    }
}
