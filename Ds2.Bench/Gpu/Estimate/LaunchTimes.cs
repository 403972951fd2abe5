using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>The launches of one kernel, added up.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="Launches">How many.</param>
/// <param name="Gflop">1e9 multiplications and additions.</param>
/// <param name="Gigabytes">1e9 bytes that must cross memory.</param>
/// <param name="RooflineSeconds">What no kernel can beat.</param>
/// <param name="EstimatedSeconds">What it should take.</param>
internal sealed record LaunchTimes(string Name, int Launches, double Gflop, double Gigabytes, double RooflineSeconds, double EstimatedSeconds)
{
    /// <summary>Adds launches up, kernel by kernel; the longest first.</summary>
    /// <param name="launches">The launches.</param>
    /// <param name="kernels">All kernels, compiled and disassembled for a P100.</param>
    /// <param name="sustainedShare">What memory sustains of its peak rate.</param>
    public static IReadOnlyList<LaunchTimes> Of(
        IEnumerable<KernelLaunch> launches, IReadOnlyList<CompiledKernel> kernels, double sustainedShare = P100Model.SustainedShare)
    {
        var byName = kernels.ToDictionary(kernel => kernel.Name);
        return [.. launches
            .Select(launch => One(launch, byName[CompiledKernel.NameOf(launch.Kernel)], sustainedShare))
            .GroupBy(time => time.Name)
            .Select(times => Sum(times.Key, [.. times]))
            .OrderByDescending(times => times.EstimatedSeconds)];
    }

    /// <summary>The sum of several.</summary>
    public static LaunchTimes Sum(string name, IReadOnlyCollection<LaunchTimes> times) => new(
        name, times.Sum(time => time.Launches), times.Sum(time => time.Gflop), times.Sum(time => time.Gigabytes),
        times.Sum(time => time.RooflineSeconds), times.Sum(time => time.EstimatedSeconds));

    private static LaunchTimes One(KernelLaunch launch, CompiledKernel kernel, double sustainedShare)
    {
        LaunchWork work = LaunchWork.Of(launch);
        return new LaunchTimes(
            kernel.Name, 1, work.Flops / 1e9, work.Bytes / 1e9, P100Model.Roofline(work), P100Model.Estimate(work, launch, kernel, sustainedShare));
    }
}
