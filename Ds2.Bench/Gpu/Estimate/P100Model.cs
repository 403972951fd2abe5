using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>How long a launch should take on a P100: a model, not a measurement. The constants are its assumptions.</summary>
/// <remarks>
/// The roofline is the larger of arithmetic at the chip's peak and bytes at the memory's: what no kernel can beat. The estimate takes off what can be known
/// without running: the cycles of the main loop that issue no multiply-add, as the assembler paired its instructions; what tiles compute beyond the edges; the multiprocessors that idle while the last
/// groups finish; memory's sustained rate, or less where too few bytes are in flight to cover its latency (Little's law); frames that wait for each other
/// within a launch; and a gap between launches. It leaves out each group's start and end and conflicts between registers, which cost time.
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

    /// <summary>What long streams reach of it: three quarters to 85 % are usual.</summary>
    public const double SustainedShare = 0.8;

    /// <summary>The second-level cache.</summary>
    public const double CacheBandwidth = 1.6e12;

    /// <summary>From a load to its value, memory being busy.</summary>
    public const double LoadLatency = 600e-9;

    /// <summary>Cycles from an instruction to one that needs its result.</summary>
    public const double InstructionCycles = 6;

    /// <summary>From one kernel's end to the next one's start. The host's own microseconds a launch are hidden: the queue is deep while a frame takes a tenth of a millisecond.</summary>
    public const double LaunchGap = 2e-6;

    /// <summary>What no kernel can beat, in seconds.</summary>
    public static double Roofline(LaunchWork work) => Math.Max(work.Flops / PeakFlops, work.Bytes / PeakBandwidth);

    /// <summary>What the kernel as compiled should take, in seconds.</summary>
    public static double Estimate(LaunchWork work, KernelLaunch launch, CompiledKernel kernel, double sustainedShare)
    {
        if (launch.Arguments.OfType<GruPass>().ToArray() is [GruPass pass])
            return Math.Max(PassModel.Seconds(launch, pass, work.ComputedFlops), work.Bytes / (sustainedShare * PeakBandwidth)) + LaunchGap;
        int groups = LaunchWork.Groups(launch);
        double arithmetic = 0;
        if (work.Flops > 0)
        {
            double wholeRounds = Math.Ceiling((double)groups / Multiprocessors) * Multiprocessors / groups;
            arithmetic = work.ComputedFlops * wholeRounds / (PeakFlops * kernel.MainLoop!.IssueShare);
        }

        double inFlight = BytesInFlight(launch, kernel, groups) / LoadLatency;
        double memory = Math.Max(
            work.Bytes / Math.Min(sustainedShare * PeakBandwidth, inFlight), (work.Bytes + work.RepeatedBytes) / Math.Min(CacheBandwidth, inFlight));
        double chain = work.SerialSteps * (LoadLatency + InstructionCycles * (kernel.MainLoop?.Instructions ?? 0) / ClockHertz);
        return Math.Max(Math.Max(arithmetic, memory), chain) + LaunchGap;
    }

    /// <summary>Loads that wait at a time: of the narrowest of the loops that do the work, one round; four bytes a thread where there is none.</summary>
    private static double BytesInFlight(KernelLaunch launch, CompiledKernel kernel, int groups)
    {
        const int WarpsOfMultiprocessor = 64;
        int threads = launch.Grid.GroupDim.X;
        double residentGroups = Math.Min(groups, Multiprocessors * kernel.Occupancy!.Value * WarpsOfMultiprocessor * 32 / threads);
        int bytesOfThread = kernel.Loops!
            .Where(loop => 2 * loop.Ffma >= kernel.MainLoop!.Ffma)
            .Select(loop => loop.GlobalLoadBits.Sum(width => width.Key * width.Value) / 8)
            .DefaultIfEmpty(0).Min();
        return residentGroups * threads * Math.Max(bytesOfThread, 4);
    }
}
