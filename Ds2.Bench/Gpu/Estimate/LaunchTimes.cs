using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>The launches of one kernel, added up.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="Launches">How many.</param>
/// <param name="Gflop">1e9 multiplications and additions.</param>
/// <param name="Gigabytes">1e9 bytes that must cross memory.</param>
/// <param name="RooflineSeconds">What no kernel can beat.</param>
/// <param name="OptimisticSeconds">What they should take at best.</param>
/// <param name="EstimatedSeconds">What they should take at the pessimistic end.</param>
internal sealed record LaunchTimes(string Name, int Launches, double Gflop, double Gigabytes, double RooflineSeconds, double OptimisticSeconds, double EstimatedSeconds)
{
    /// <summary>Adds launches up, kernel by kernel; the longest first.</summary>
    /// <param name="launches">The launches.</param>
    /// <param name="kernels">All kernels, compiled and disassembled for a P100.</param>
    /// <exception cref="InvalidOperationException">A kernel has other loops than the estimate knows of.</exception>
    public static IReadOnlyList<LaunchTimes> Of(IEnumerable<KernelLaunch> launches, IReadOnlyList<CompiledKernel> kernels)
    {
        var byName = kernels.ToDictionary(kernel => kernel.Name);
        return [.. launches
            .Select(launch => One(launch, byName[CompiledKernel.NameOf(launch.Kernel)]))
            .GroupBy(time => time.Name)
            .Select(times => Sum(times.Key, [.. times]))
            .OrderByDescending(times => times.EstimatedSeconds)];
    }

    /// <summary>What launches should take under one reading of the open assumptions.</summary>
    public static double Seconds(IEnumerable<KernelLaunch> launches, IReadOnlyList<CompiledKernel> kernels, Reading reading)
    {
        var byName = kernels.ToDictionary(kernel => kernel.Name);
        return launches.Sum(launch => P100Model.Estimate(LaunchWork.Of(launch), launch, byName[CompiledKernel.NameOf(launch.Kernel)], reading));
    }

    /// <summary>The sum of several.</summary>
    public static LaunchTimes Sum(string name, IReadOnlyCollection<LaunchTimes> times) => new(
        name, times.Sum(time => time.Launches), times.Sum(time => time.Gflop), times.Sum(time => time.Gigabytes),
        times.Sum(time => time.RooflineSeconds), times.Sum(time => time.OptimisticSeconds), times.Sum(time => time.EstimatedSeconds));

    private static LaunchTimes One(KernelLaunch launch, CompiledKernel kernel)
    {
        LaunchWork work = LaunchWork.Of(launch);
        return new LaunchTimes(
            kernel.Name, 1, work.Flops / 1e9, work.Bytes / 1e9, P100Model.Roofline(work),
            P100Model.Estimate(work, launch, kernel, Reading.Optimistic), P100Model.Estimate(work, launch, kernel, Reading.Pessimistic));
    }
}
