using Ds2.Bench.Gpu.Estimate;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Bench.Gpu;

/// <summary>One kernel's launches in a training step, as a device's clock saw them.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="Launches">In a step.</param>
/// <param name="Seconds">All launches of a step, events and all.</param>
/// <param name="Flops">Multiplications and additions that their results need.</param>
/// <param name="Bytes">What must cross memory: each operand once.</param>
/// <param name="RooflineSeconds">What no kernel could beat on a P100.</param>
internal sealed record KernelTime(string Name, int Launches, double Seconds, double Flops, double Bytes, double RooflineSeconds)
{
    private const string All = "all";

    /// <summary>Times training steps, after one that takes memory.</summary>
    /// <param name="options">The step, and how many of them.</param>
    /// <param name="engine">A device whose launches <paramref name="clock"/> times.</param>
    /// <param name="clock">The clock; off again afterwards.</param>
    /// <returns>The mean step, kernel by kernel, the longest first.</returns>
    public static IReadOnlyList<KernelTime> Measure(StepOptions options, IlgpuEngine engine, KernelClock clock)
    {
        using var step = new TrainingStep(options, engine);
        step.Run(1);
        engine.Synchronize();
        clock.IsOn = true;
        for (int number = 2; number <= options.Steps + 1; number++)
        {
            step.Run(number);
            engine.Synchronize(); // as a run does, once in a step
        }

        clock.IsOn = false;
        return Of(clock.Take(), options.Steps);
    }

    /// <summary>Adds up the launches of several steps that are alike.</summary>
    /// <param name="launches">All launches, and the seconds of each.</param>
    /// <param name="steps">How many steps they are of.</param>
    public static IReadOnlyList<KernelTime> Of(IEnumerable<(KernelLaunch Launch, double Seconds)> launches, int steps) =>
    [
        .. launches
            .Select(timed =>
            {
                LaunchWork work = LaunchWork.Of(timed.Launch);
                return new KernelTime(CompiledKernel.NameOf(timed.Launch.Kernel), 1, timed.Seconds, work.Flops, work.Bytes, P100Model.Roofline(work));
            })
            .GroupBy(time => time.Name)
            .Select(kernel => Sum(kernel.Key, [.. kernel], steps))
            .OrderByDescending(time => time.Seconds),
    ];

    /// <summary>The table for people.</summary>
    /// <param name="times">A step's kernels.</param>
    /// <param name="estimates">By kernel, and of the step as <c>all</c>; left out where that step has another number of launches, for it is another step.</param>
    public static string Table(IReadOnlyList<KernelTime> times, IReadOnlyDictionary<string, EstimatedKernel> estimates)
    {
        KernelTime all = Sum(All, [.. times], 1);
        bool isThatStep = estimates.GetValueOrDefault(All)?.Launches == all.Launches;
        return MarkdownTable.Of(
        [
            ["kernel", "launches", "ms", "share", "us each", "GFLOP/s", "GB/s", "P100: roofline ms", "estimated ms"],
            .. times.Append(all).Select(time => new[]
            {
                time.Name, $"{time.Launches}", $"{1e3 * time.Seconds:F3}", $"{100 * time.Seconds / all.Seconds:F1} %", $"{1e6 * time.Seconds / time.Launches:F1}",
                $"{time.Flops / time.Seconds / 1e9:F1}", $"{time.Bytes / time.Seconds / 1e9:F1}", $"{1e3 * time.RooflineSeconds:F2}",
                isThatStep && estimates.GetValueOrDefault(time.Name) is { } estimate ? $"{estimate.Milliseconds:F2}" : "-",
            }),
        ]);
    }

    private static KernelTime Sum(string name, KernelTime[] times, int steps) => new(
        name, times.Sum(time => time.Launches) / steps, times.Sum(time => time.Seconds) / steps, times.Sum(time => time.Flops) / steps,
        times.Sum(time => time.Bytes) / steps, times.Sum(time => time.RooflineSeconds) / steps);
}
