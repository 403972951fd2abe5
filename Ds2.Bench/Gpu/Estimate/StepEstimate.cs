using System.Globalization;
using System.Text;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>What a training step should take on a P100. An estimate: nothing of it was measured on one.</summary>
/// <param name="Batch">Utterances.</param>
/// <param name="Frames">Feature frames of each.</param>
/// <param name="Labels">Labels of each text.</param>
/// <param name="Total">All launches.</param>
/// <param name="RecurrentForwardFrame">A frame of the recurrence, forward.</param>
/// <param name="RecurrentBackwardFrame">A frame backward.</param>
/// <param name="Readings">The step under each combination of the assumptions that are open, the optimistic one first, the pessimistic one last.</param>
/// <param name="Kernels">Kernel by kernel, the longest first.</param>
/// <param name="Simulated">Our kernels as a simulation saw them.</param>
/// <param name="DeepBench">The same work that others timed on a P100.</param>
internal sealed record StepEstimate(
    int Batch, int Frames, int Labels, LaunchTimes Total, Bracket RecurrentForwardFrame, Bracket RecurrentBackwardFrame,
    IReadOnlyList<StepReading> Readings, IReadOnlyList<LaunchTimes> Kernels, IReadOnlyList<SimulatedWork> Simulated, IReadOnlyList<Comparison> DeepBench)
{
    /// <summary>What it is, for those who read the numbers elsewhere.</summary>
    public string Kind => "estimate for a P100, not measured";

    /// <summary>Records a step's launches and adds up what each should take.</summary>
    /// <param name="options">The model and the optimiser.</param>
    /// <param name="batch">Utterances.</param>
    /// <param name="frames">Feature frames of each.</param>
    /// <param name="labels">Labels of each text.</param>
    /// <param name="kernels">All kernels, compiled and disassembled for a P100.</param>
    public static StepEstimate Of(RunOptions options, int batch, int frames, int labels, IReadOnlyList<CompiledKernel> kernels)
    {
        IReadOnlyList<KernelLaunch> launches = Record(options, batch, frames, labels);
        IReadOnlyList<LaunchTimes> times = LaunchTimes.Of(launches, kernels);
        var total = LaunchTimes.Sum("all", times.ToArray());
        IReadOnlyList<SimulatedWork> simulated = Simulation.Compare(kernels);
        bool isSimulated = batch == 8 && frames == 1230 && options.Model == RunOptions.Presets["mlperf"].Model;
        return new StepEstimate(
            batch, frames, labels, total, Frame(typeof(GruForwardKernel), typeof(GruForwardPassKernel), typeof(GruForwardStreamKernel)),
            Frame(typeof(GruBackwardKernel), typeof(GruBackwardPassKernel), typeof(GruBackwardStreamKernel)),
            [.. Reading.All.Select(reading => new StepReading(reading, LaunchTimes.Seconds(launches, kernels, reading)))],
            times, isSimulated ? [.. simulated, Simulation.Step(total)] : simulated, Estimate.DeepBench.Compare(kernels));

        // Of kernels of which a launch is a frame, or all frames.
        Bracket Frame(params Type[] cellTypes)
        {
            KernelLaunch[] own = [.. launches.Where(launch => cellTypes.Contains(launch.Kernel.DeclaringType!))];
            double count = own.Sum(launch => launch.Arguments.Sum(argument => argument switch
            {
                GruStep => 1,
                GruPass pass => pass.T,
                GruStream => StreamModel.PassOf(launch)?.T ?? 0,
                _ => 0,
            }));
            LaunchTimes cells = LaunchTimes.Sum("frames", LaunchTimes.Of(own, kernels));
            return new Bracket(cells.OptimisticSeconds / count, cells.EstimatedSeconds / count);
        }
    }

    /// <summary>The launches of a step after the first, which also takes memory.</summary>
    public static IReadOnlyList<KernelLaunch> Record(RunOptions options, int batch, int frames, int labels)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        using var step = new TrainingStep(new StepOptions(options, batch, frames, labels, Steps: 1, Threads: 0), engine);
        step.Run(1);
        engine.Synchronize();
        launches.Clear();
        step.Run(2);
        return launches;
    }

    /// <summary>Markdown tables.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.AppendLine($"ESTIMATE of a training step on a P100, not measured: batch {Batch}, {Frames} frames, {Labels} labels");
        text.AppendLine(
            $"step {Total.OptimisticSeconds:F3} to {Total.EstimatedSeconds:F3} s (roofline {Total.RooflineSeconds:F3} s); a frame of the recurrence "
            + $"{RecurrentForwardFrame} ms forward, {RecurrentBackwardFrame} ms backward");
        text.AppendLine("the first is the optimistic end, the second the pessimistic one, at which goals count: register-bank conflicts cost a cycle each, memory delivers less");
        text.AppendLine(
            $"assumed: {P100Model.PeakFlops / 1e12:F1} TFLOP/s at {P100Model.ClockHertz / 1e9} GHz, {100 * Reading.Optimistic.MemoryShare:F0} or {100 * Reading.Pessimistic.MemoryShare:F0} % of "
            + $"{P100Model.PeakBandwidth / 1e9} GB/s, {P100Model.CacheBandwidth / 1e12:F2} TB/s from the second-level cache, {1e9 * P100Model.LoadLatency} ns from load to value, "
            + $"{1e6 * P100Model.LaunchGap} us between launches");
        text.AppendLine("step if " + string.Join(", ", Readings.Select(one =>
            $"conflicts {(one.Reading.ConflictsCost ? "cost" : "are free")} and memory sustains {100 * one.Reading.MemoryShare:F0} %: {one.Seconds:F3} s")));
        text.AppendLine().AppendLine(MarkdownTable.Of(
        [
            ["kernel", "launches", "GFLOP", "GB", "roofline ms", "optimistic ms", "estimated ms", "share"],
            .. Kernels.Append(Total).Select(time => new[]
            {
                time.Name, $"{time.Launches}", $"{time.Gflop:F1}", $"{time.Gigabytes:F2}", $"{1e3 * time.RooflineSeconds:F2}", $"{1e3 * time.OptimisticSeconds:F2}",
                $"{1e3 * time.EstimatedSeconds:F2}", $"{100 * time.EstimatedSeconds / Total.EstimatedSeconds:F1} %",
            }),
        ]));
        text.AppendLine().AppendLine("beside a cycle-level simulation of the kernels of commit 0ec42e8").AppendLine().AppendLine(MarkdownTable.Of(
        [
            ["work", "simulated, ms", "estimate of the same code, ms", "of today's, ms"],
            .. Simulated.Select(row => new[] { row.Work, row.Simulated.ToString(), row.Estimated.ToString(), row.Today.ToString() }),
        ]));
        text.AppendLine().AppendLine("beside DeepBench's measured times (P100, cuDNN 6, cuBLAS 8, fp32)").AppendLine().Append(MarkdownTable.Of(
        [
            ["work", "measured there, ms", "our roofline, ms", "our estimate, ms"],
            .. DeepBench.Select(row => new[]
            {
                row.Work, $"{1e3 * row.MeasuredSeconds:F2}", $"{1e3 * row.RooflineSeconds:F2}", $"{1e3 * row.OptimisticSeconds:F2} .. {1e3 * row.EstimatedSeconds:F2}",
            }),
        ]));
        return text.ToString();
    }
}

/// <summary>A step's estimate under one combination of assumptions.</summary>
/// <param name="Reading">The assumptions.</param>
/// <param name="Seconds">What the step should take then.</param>
internal sealed record StepReading(Reading Reading, double Seconds);

/// <summary>An estimate's two ends.</summary>
/// <param name="OptimisticSeconds">At best.</param>
/// <param name="EstimatedSeconds">At the pessimistic end.</param>
internal sealed record Bracket(double OptimisticSeconds, double EstimatedSeconds)
{
    /// <summary>In milliseconds; once, where both ends are the same.</summary>
    public override string ToString() => Text(OptimisticSeconds) == Text(EstimatedSeconds) ? Text(EstimatedSeconds) : $"{Text(OptimisticSeconds)} .. {Text(EstimatedSeconds)}";

    private static string Text(double seconds) => (1e3 * seconds).ToString(seconds < 1e-3 ? "F3" : "F1", CultureInfo.InvariantCulture);
}
