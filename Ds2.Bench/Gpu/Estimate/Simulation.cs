using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>Our kernels as a cycle-level simulation of a P100 saw them, and as the estimate has them.</summary>
/// <remarks>
/// The simulation ran our machine code of sm_60 instruction by instruction: 56 multiprocessors at 1328.5 MHz, two schedulers of 32 lanes with static dual issue, scoreboards, shared-memory passes,
/// 24 KB of first-level and 4 MB of second-level cache at 1.36 TB/s, 32 channels of HBM2 set so that a streaming read reaches 80 % of 732 GB/s. It is no hardware either. Its figures are of the
/// kernels of commit 0ec42e8, which CUDA 11.8 assembled: the estimate is held against them in that machine code (<see cref="SimulatedCode"/>); of today's kernels it says what became of them.
/// </remarks>
internal static class Simulation
{
    /// <summary>The figures of single kernels.</summary>
    /// <param name="kernels">Today's kernels, compiled and disassembled for a P100.</param>
    public static IReadOnlyList<SimulatedWork> Compare(IReadOnlyList<CompiledKernel> kernels)
    {
        return
        [
            Of("forward cell, batch 8, a frame", 0.148e-3, 0.148e-3, ForwardFrame(8, RecurrentPrecision.Fp32)),
            Of("backward cell, batch 8, a frame", 0.137e-3, 0.137e-3, BackwardFrame(RecurrentPrecision.Fp32)),
            Of("forward cell, fp16 U, batch 8, a frame", 0.087e-3, 0.087e-3, ForwardFrame(8, RecurrentPrecision.Fp16)),
            Of("backward cell, fp16 U, batch 8, a frame", 0.076e-3, 0.076e-3, BackwardFrame(RecurrentPrecision.Fp16)),
            Of("forward cell, batch 32, a frame", 0.35e-3, 0.37e-3, ForwardFrame(32, RecurrentPrecision.Fp32)),
            Of("product 7680 x 24000 x 2560", 107e-3, 117e-3, RecordedWork.Product(7680, 24000, 2560)),
            Of("convolutions' correlations of a step", 18e-3, 22e-3, Correlations()),
        ];

        SimulatedWork Of(string work, double low, double high, IEnumerable<KernelLaunch> launches) => new(work, new Bracket(low, high), LaunchTimes.Sum(work, LaunchTimes.Of(launches, kernels)));
    }

    /// <summary>The benchmark's step of 8 utterances of 1230 frames.</summary>
    /// <param name="today">Its estimate.</param>
    public static SimulatedWork Step(LaunchTimes today) => new("the step", new Bracket(0.77, 0.81), today);

    // The last of a few frames: the first has no state before it.
    private static IEnumerable<KernelLaunch> ForwardFrame(int batch, RecurrentPrecision precision) => LastFrame(RecordedWork.Recurrence(Frames(batch), precision, inOneLaunch: false).Forward);

    private static IEnumerable<KernelLaunch> BackwardFrame(RecurrentPrecision precision) => LastFrame(RecordedWork.Recurrence(Frames(8), precision, inOneLaunch: false).Backward);

    private static IEnumerable<KernelLaunch> LastFrame(IEnumerable<KernelLaunch> launches) => [launches.Last(launch => launch.Arguments.OfType<GruStep>().Any())];

    private static GruShape Frames(int batch) => new(T: 3, N: batch, I: 0, H: 2560);

    private static IEnumerable<KernelLaunch> Correlations()
    {
        // The model's two; the first has no data gradient.
        (IReadOnlyList<KernelLaunch> first, _, _) = RecordedWork.Convolution(new Conv2dShape(N: 8, C: 1, H: 161, W: 1230, K: 32, R: 41, S: 11, StrideH: 2, StrideW: 2));
        (IReadOnlyList<KernelLaunch> second, IReadOnlyList<KernelLaunch> data, _) = RecordedWork.Convolution(new Conv2dShape(N: 8, C: 32, H: 61, W: 610, K: 32, R: 21, S: 11, StrideH: 2));
        return first.Concat(second).Concat(data).Where(launch => launch.Arguments.OfType<Correlation>().Any());
    }
}

/// <summary>A piece of work, simulated and estimated.</summary>
/// <param name="Work">What is computed.</param>
/// <param name="Simulated">The least and the most that the simulation gave.</param>
/// <param name="Today">The estimate of today's kernels.</param>
internal sealed record SimulatedWork(string Work, Bracket Simulated, Bracket Today)
{
    /// <summary>Of today's launches.</summary>
    public SimulatedWork(string work, Bracket simulated, LaunchTimes today)
        : this(work, simulated, new Bracket(today.OptimisticSeconds, today.EstimatedSeconds))
    {
    }

    /// <summary>The estimate of the machine code that was simulated.</summary>
    public Bracket Estimated { get; } = SimulatedCode.Estimate(Work);
}
