using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>How an assumption that is open is taken: an estimate has an end for each.</summary>
/// <param name="ConflictsCost">Whether a register-bank conflict costs a cycle, as on Maxwell, or none.</param>
/// <param name="MemoryShare">What memory sustains of its peak rate.</param>
internal sealed record Reading(bool ConflictsCost, double MemoryShare)
{
    /// <summary>Conflicts cost nothing, and memory delivers what a plain stream gets.</summary>
    public static Reading Optimistic { get; } = new(false, P100Model.StreamShare);

    /// <summary>Each conflict costs a cycle, and memory delivers less: the end at which goals count.</summary>
    public static Reading Pessimistic { get; } = new(true, P100Model.StreamShare * P100Model.RowLocality);

    /// <summary>Every combination, the optimistic one first, the pessimistic one last.</summary>
    public static IReadOnlyList<Reading> All { get; } =
        [Optimistic, Optimistic with { MemoryShare = Pessimistic.MemoryShare }, Pessimistic with { MemoryShare = Optimistic.MemoryShare }, Pessimistic];
}

/// <summary>How many threads a launch has.</summary>
/// <param name="Groups">Groups.</param>
/// <param name="Threads">Threads of a group.</param>
/// <param name="FinishingShare">The part of them that go on behind a group's last barrier.</param>
internal readonly record struct LaunchSize(int Groups, int Threads, double FinishingShare)
{
    /// <summary>That of a launch.</summary>
    public static LaunchSize Of(KernelLaunch launch) => new(LaunchWork.Groups(launch), launch.Grid.GroupDim.X, LoopTrips.FinishingShare(launch));
}

/// <summary>How long a launch should take on a P100: a model, not a measurement. The constants are its assumptions, the same for all kernels.</summary>
/// <remarks>
/// The roofline is the larger of arithmetic at the chip's peak and bytes at the memory's: what no kernel can beat. The estimate goes through the machine code: the instructions of each loop (two
/// in a cycle where the assembler paired them) as often as it is gone round, by all warps of the multiprocessor that has most groups; what these wait for together, their loads above all
/// (<see cref="WarpWalk"/>), once for each round of groups that fit at a time. The loops take as long as that, as their bytes at the memory's sustained rate, or as all that they load at the
/// second-level cache's. What lies outside loops, the start and end of each round, comes on top: groups that start together are at the same place. Then there is a gap between launches. Kernels
/// without multiply-adds take their bytes' time, or longer where too few loads are in flight to cover memory's latency (Little's law), or frames wait for each other.
/// </remarks>
internal static class P100Model
{
    public const int Multiprocessors = 56;

    /// <summary>The highest clock of the PCIe card; the SXM2 module goes to 1.48 GHz.</summary>
    public const double ClockHertz = 1.3285e9;

    /// <summary>64 lanes a multiprocessor, a multiplication and an addition each.</summary>
    public const double PeakFlops = Multiprocessors * 64 * 2 * ClockHertz;

    /// <summary>HBM2.</summary>
    public const double PeakBandwidth = 732e9;

    /// <summary>What a plain long stream reaches of it: 75 to 85 % are usual.</summary>
    public const double StreamShare = 0.8;

    /// <summary>What is left of that where hundreds of streams at a time (each warp or group has its own) close each other's rows of the memory's banks: the lower reading, 75 % of the peak.</summary>
    public const double RowLocality = 0.94;

    /// <summary>The second-level cache.</summary>
    public const double CacheBandwidth = 1.36e12;

    /// <summary>From a load to its value that the second-level cache has, in cycles. Source: Jia et al., arXiv:1804.06826, chapter 3.</summary>
    public const double CacheLatencyCycles = 234;

    /// <summary>From a load to its value that memory has, memory being busy.</summary>
    public const double LoadLatency = 600e-9;

    /// <summary>From one kernel's end to the next one's start. The host's own microseconds a launch are hidden: the queue is deep while a frame takes a tenth of a millisecond.</summary>
    public const double LaunchGap = 2e-6;

    // Cycles from an instruction to one that needs its result, in a recursion.
    private const double InstructionCycles = 6;

    private const int Schedulers = 2;
    private const int WarpLanes = 32;
    private const int WarpsOfMultiprocessor = 64;

    /// <summary>What no kernel can beat, in seconds.</summary>
    public static double Roofline(LaunchWork work) => Math.Max(work.Flops / PeakFlops, work.Bytes / PeakBandwidth);

    /// <summary>What the kernel as compiled should take, in seconds.</summary>
    /// <exception cref="InvalidOperationException">Its loops are not those of its description.</exception>
    public static double Estimate(LaunchWork work, KernelLaunch launch, CompiledKernel kernel, Reading reading) =>
        LaunchGap + (launch.Arguments.OfType<GruPass>().ToArray() is [GruPass pass] ? Math.Max(PassModel.Seconds(launch, pass, work.ComputedFlops, reading), work.Bytes / (reading.MemoryShare * PeakBandwidth))
            : StreamModel.PassOf(launch) is { } stream && LoopTrips.Of(launch, work, kernel) is { } rounds ? StreamModel.Seconds(launch, stream, kernel, rounds, work, reading)
            : Alone(work, LaunchSize.Of(launch), kernel, LoopTrips.Of(launch, work, kernel), reading));

    /// <summary>What a launch should take whose groups do not wait for each other, in seconds.</summary>
    /// <param name="work">Its work.</param>
    /// <param name="size">Its size.</param>
    /// <param name="kernel">The kernel as compiled.</param>
    /// <param name="trips">The trips of each loop, from entering the loop around it to leaving; null where its time is its bytes' alone.</param>
    /// <param name="reading">How open assumptions are taken.</param>
    public static double Estimate(LaunchWork work, LaunchSize size, CompiledKernel kernel, IReadOnlyDictionary<CodeLoop, double>? trips, Reading reading) =>
        LaunchGap + Alone(work, size, kernel, trips, reading);

    private static double Alone(LaunchWork work, LaunchSize size, CompiledKernel kernel, IReadOnlyDictionary<CodeLoop, double>? trips, Reading reading) =>
        trips is null ? Bytes(work, size, kernel, reading) : Code(work, size, kernel, trips, reading);

    private static double Code(LaunchWork work, LaunchSize size, CompiledKernel kernel, IReadOnlyDictionary<CodeLoop, double> trips, Reading reading)
    {
        double warpsOfGroup = (double)size.Threads / WarpLanes;
        double busiest = Math.Ceiling((double)size.Groups / Multiprocessors);
        double atATime = Math.Min(busiest, kernel.Occupancy!.Value * WarpsOfMultiprocessor / warpsOfGroup);
        double rounds = Math.Ceiling(busiest / atATime);

        // All that the loops load comes from the second-level cache, of it each operand once from memory. (What a loop loads ahead, its last trip leaves out, and the code before it has.)
        double loaded = work.LoadedBytes > 0 ? work.LoadedBytes
            : trips.Keys.Sum(loop => Runs(loop) * loop.Mix.GlobalLoadBits.Sum(width => (double)width.Key * width.Value)) / 8 * WarpLanes * warpsOfGroup * size.Groups;
        double fromMemory = loaded == 0 ? 1 : Math.Min(1, work.Bytes / loaded);
        double latency = CacheLatencyCycles + fromMemory * (LoadLatency * ClockHertz - CacheLatencyCycles);
        double warps = atATime * warpsOfGroup / Schedulers;

        // Behind the last barrier some warps may have left.
        int barrier = kernel.Code!.Own.ToList().FindLastIndex(instruction => instruction.Name == "BAR") + 1;
        double outside = Seconds(Walk(kernel.Code, false, warps, to: barrier)) + Seconds(Walk(kernel.Code, false, size.FinishingShare * warps, from: barrier), size.FinishingShare);
        double loops = trips.Keys.Sum(loop => Runs(loop) * Seconds(Walk(loop, true, warps)));
        return outside + Math.Max(loops, Math.Max(work.Bytes / (reading.MemoryShare * PeakBandwidth), Math.Max(work.Bytes, loaded) / CacheBandwidth));

        WarpWalk Walk(CodeLoop loop, bool repeats, double warps, int from = 0, int to = int.MaxValue) => WarpWalk.Of(loop, repeats, warps, latency, reading.ConflictsCost, from, to);

        double Seconds(WarpWalk walk, double share = 1) => (share * busiest * warpsOfGroup / Schedulers * walk.BusyCycles + rounds * walk.WaitCycles) / ClockHertz;

        // Through a loop, the loops around it counted.
        double Runs(CodeLoop loop) => trips.Where(pair => pair.Key == loop || pair.Key.All.Contains(loop)).Aggregate(1.0, (runs, pair) => runs * pair.Value);
    }

    private static double Bytes(LaunchWork work, LaunchSize size, CompiledKernel kernel, Reading reading)
    {
        double inFlight = BytesInFlight(size, kernel) / LoadLatency;
        double memory = work.Bytes / Math.Min(reading.MemoryShare * PeakBandwidth, inFlight);
        double chain = work.SerialSteps * (LoadLatency + InstructionCycles * (kernel.MainLoop?.Instructions ?? 0) / ClockHertz);
        return Math.Max(memory, chain);
    }

    /// <summary>Loads that wait at a time: of the narrowest of the loops that do the work, one round; four bytes a thread where there is none.</summary>
    private static double BytesInFlight(LaunchSize size, CompiledKernel kernel)
    {
        double residentGroups = Math.Min(size.Groups, Multiprocessors * kernel.Occupancy!.Value * WarpsOfMultiprocessor * WarpLanes / size.Threads);
        int bytesOfThread = kernel.Code!.ArithmeticLoops
            .Where(loop => 2 * loop.Ffma >= kernel.MainLoop!.Ffma)
            .Select(loop => loop.GlobalLoadBits.Sum(width => width.Key * width.Value) / 8)
            .DefaultIfEmpty(0).Min();
        return residentGroups * size.Threads * Math.Max(bytesOfThread, 4);
    }
}
