using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Distributed;

namespace Ds2.Bench.Distributed;

/// <summary>Our exchange, as a training step has it, and the library's in turns, each turn checked: gradients are integers that differ by element, rank and turn, so that sums in any order are exact.</summary>
/// <remarks>Ours has the optimiser's step in it: gradients to the owners, sums, a step of SGD on the share, new parameters to all. What is compared with adds up gradients, and no more.</remarks>
internal sealed class ExchangeBenchmark : IDisposable
{
    private const int Mask = 1023, AbortCode = 7;
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };
    private readonly ICommunicator communicator;
    private readonly Fault fault;
    private readonly double underWayMegabytes;
    private readonly HostEngine engine = new(threads: 1);
    private readonly Tensor gradients, parameters, velocity, clip;
    private readonly Sgd sgd;
    private readonly GradientExchange exchange;
    private readonly Stretch[] owned;
    private readonly IReadOnlyList<Branch>[] branches;

    /// <summary>Takes the memory.</summary>
    /// <param name="communicator">The ranks.</param>
    /// <param name="length">Elements of the gradient.</param>
    /// <param name="underWay">Elements under way at once.</param>
    /// <param name="fault">What the last rank does wrong after the first turn.</param>
    public ExchangeBenchmark(ICommunicator communicator, int length, int underWay, Fault fault)
    {
        (this.communicator, this.fault, underWayMegabytes) = (communicator, fault, underWay * sizeof(float) / 1e6);
        exchange = new GradientExchange(communicator, underWay);
        int[] lengths = [.. Enumerable.Range(0, communicator.Ranks).Select(rank => (int)((rank + 1L) * length / communicator.Ranks - (long)rank * length / communicator.Ranks))];
        owned = Stretch.OneAfterTheOther(lengths);
        branches = [.. Enumerable.Range(0, communicator.Ranks).Select(rank => new[] { new Branch(rank, 1) })];
        (gradients, parameters) = (engine.Allocate(new Shape(length)), engine.Allocate(new Shape(length)));
        (velocity, clip) = (engine.Allocate(new Shape(lengths[communicator.Rank])), engine.Allocate(new Shape(2)));
        clip.CopyFrom([1, 1]);
        sgd = Sgd.On(engine);
    }

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
                double seconds = Time(our ? RunOurs : () => library!.AllReduceByLibrary(gradients.HostMemory!.Value.Span), 2 * round + half, our ? parameters : gradients);
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

    public void Dispose()
    {
        foreach (Tensor tensor in new[] { gradients, parameters, velocity, clip })
            tensor.Dispose();
        engine.Dispose();
    }

    /// <summary>From zero, with a rate of -1, parameters become the gradients' sum.</summary>
    private void RunOurs()
    {
        Memory<float> block = gradients.HostMemory!.Value;
        exchange.AddUp(owned, branches, [block], block);
        Stretch mine = owned[communicator.Rank];
        sgd.Step(
            new SgdOptions(LearningRate: -1, Momentum: 0, WeightDecay: 0, Nesterov: false), clip, gradients.Slice(mine.Offset, velocity.Shape), parameters.Slice(mine.Offset, velocity.Shape), velocity);
        exchange.Gather([owned], parameters.HostMemory!.Value);
    }

    /// <summary>Seconds of the slowest rank.</summary>
    private double Time(Action call, int turn, Tensor result)
    {
        Span<float> values = gradients.HostMemory!.Value.Span;
        for (int i = 0; i < values.Length; i++)
            values[i] = Value(i, communicator.Rank, turn);
        parameters.Fill(0);
        communicator.Barrier();
        long start = Stopwatch.GetTimestamp();
        call();
        double own = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double seconds = communicator.AllGather(MemoryMarshal.AsBytes([own])).Max(message => MemoryMarshal.Read<double>(message));
        Span<float> sums = result.HostMemory!.Value.Span;
        for (int i = 0; i < sums.Length; i++)
        {
            if (sums[i] != Expected(i, turn))
                throw new InvalidOperationException($"rank {communicator.Rank}: element {i} is {sums[i]} in turn {turn}, and not {Expected(i, turn)}");
        }

        return seconds;
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
        double bytes = sizeof(float) * (double)gradients.Length;
        double rate = bytes / ours.Median() / 1e9;
        double? theirRate = library is null ? null : bytes / theirs.Median() / 1e9;
        // Of neighbouring turns: both had the machine as it was then.
        double? ratio = library is null ? null : ours.Zip(theirs, (our, their) => our / their).Median();
        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(
                new { library = library?.Library, ranks = communicator.Ranks, megabytes = bytes / 1e6, underWayMegabytes, gigabytesPerSecond = rate, allreduceGigabytesPerSecond = theirRate, ratio, seconds = ours, allreduceSeconds = theirs },
                Json));
            return;
        }

        Console.WriteLine($"{library?.Library ?? "alone"}, {communicator.Ranks} ranks, {bytes / 1e6:F0} MB, {underWayMegabytes:G3} MB under way at once, medians of {ours.Count} turns; GB/s are gradient bytes of a rank over the slowest rank's time; ours has a step of SGD in it");
        List<string[]> rows = [["exchange", "GB/s", "ms", "best ms"], Row("ours", ours)];
        if (library is not null)
            rows.Add(Row("MPI_Allreduce", theirs));
        Console.WriteLine(MarkdownTable.Of(rows));
        if (ratio is not null)
            Console.WriteLine($"our time over MPI_Allreduce's: {ratio:F2}");

        string[] Row(string name, List<double> seconds) => [name, $"{bytes / seconds.Median() / 1e9:F2}", $"{1000 * seconds.Median():F1}", $"{1000 * seconds.Min():F1}"];
    }
}
