using System.IO.Compression;
using System.Text.Json;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>The machine code that was simulated, and what was launched of it: the estimate can be held against the simulation whatever has become of the kernels since.</summary>
/// <remarks>
/// <c>simulated.json.gz</c> has of each kernel what <c>ptxas -v</c> reported and what <c>cuobjdump -sass</c> listed, without encodings and padding, and of each piece of work its launches: their grid, work and
/// trips through the loops, in the order of <see cref="CodeLoop.All"/>. It was written at commit aa566a9, whose kernels are those of 0ec42e8. So what is held against the
/// simulation is the model of times; work and trips are those that were estimated then (<see cref="LaunchWork"/> and <see cref="LoopTrips"/> know today's kernels alone, and have tests of their own).
/// </remarks>
internal static class SimulatedCode
{
    private static readonly Lazy<Content> Kept = new(Read);
    private static readonly Lazy<IReadOnlyDictionary<string, CompiledKernel>> Compiled = new(() => Kept.Value.Kernels.Select(kernel => kernel.Compiled()).ToDictionary(kernel => kernel.Name));

    /// <summary>The kernels, by name.</summary>
    public static IReadOnlyDictionary<string, CompiledKernel> Kernels => Compiled.Value;

    /// <summary>What a piece of work should take in this machine code.</summary>
    /// <param name="work">Its name in <see cref="Simulation"/>.</param>
    public static Bracket Estimate(string work)
    {
        IReadOnlyList<Launch> launches = Kept.Value.Work[work];
        return new Bracket(Seconds(Reading.Optimistic), Seconds(Reading.Pessimistic));

        double Seconds(Reading reading) => launches.Sum(launch => launch.Count * launch.Seconds(Kernels[launch.Kernel], reading));
    }

    private static Content Read()
    {
        using Stream packed = typeof(SimulatedCode).Assembly.GetManifestResourceStream("simulated.json.gz")!;
        using var unpacked = new GZipStream(packed, CompressionMode.Decompress);
        return JsonSerializer.Deserialize<Content>(unpacked, JsonSerializerOptions.Web)!;
    }

    private sealed record Content(IReadOnlyList<Kernel> Kernels, IReadOnlyDictionary<string, IReadOnlyList<Launch>> Work);

    private sealed record Kernel(string Name, int Threads, int Registers, int SharedBytes, int StackBytes, int SpillBytes, IReadOnlyList<string> Sass)
    {
        public CompiledKernel Compiled() => new(
            Name, Chip.P100, Threads, Ptx: "", new KernelResources(Registers, SharedBytes, StackBytes, SpillBytes), CodeLoop.Of(Gpu.Sass.Parse(string.Join('\n', Sass))));
    }

    /// <summary>So many launches alike.</summary>
    private sealed record Launch(
        string Kernel, int Count, int Groups, double FinishingShare, double Flops, double ComputedFlops, double Bytes, int SerialSteps, IReadOnlyList<double>? Trips)
    {
        public double Seconds(CompiledKernel kernel, Reading reading)
        {
            var work = new LaunchWork(Flops, ComputedFlops, Bytes, SerialSteps);
            var size = new LaunchSize(Groups, kernel.Threads, FinishingShare);
            CodeLoop[] loops = [.. kernel.Code!.All];
            if (Trips is not null && Trips.Count != loops.Length)
                throw new InvalidDataException($"simulated.json.gz: {Kernel} has {loops.Length} loops, and {Trips.Count} trips");
            Dictionary<CodeLoop, double>? trips = Trips is null ? null
                : new Dictionary<CodeLoop, double>(loops.Zip(Trips, (loop, trip) => KeyValuePair.Create(loop, trip)), ReferenceEqualityComparer.Instance);
            return P100Model.Estimate(work, size, kernel, trips, reading);
        }
    }
}
