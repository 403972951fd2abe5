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
/// <param name="RecurrentForwardFrameSeconds">A frame of the recurrence, forward.</param>
/// <param name="RecurrentBackwardFrameSeconds">A frame backward.</param>
/// <param name="IfMemorySustains">The step under other assumptions of what memory sustains of its peak rate.</param>
/// <param name="Kernels">Kernel by kernel, the longest first.</param>
/// <param name="DeepBench">The same work that others timed on a P100.</param>
internal sealed record StepEstimate(
    int Batch, int Frames, int Labels, LaunchTimes Total, double RecurrentForwardFrameSeconds, double RecurrentBackwardFrameSeconds,
    IReadOnlyList<BandwidthCase> IfMemorySustains, IReadOnlyList<LaunchTimes> Kernels, IReadOnlyList<Comparison> DeepBench)
{
    private static readonly double[] Shares = [0.75, 0.8, 0.85, 1];

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
        return new StepEstimate(
            batch, frames, labels, LaunchTimes.Sum("all", times.ToArray()), Frame(nameof(GruForwardKernel), nameof(GruForwardPassKernel)),
            Frame(nameof(GruBackwardKernel), nameof(GruBackwardPassKernel)),
            [.. Shares.Select(share => new BandwidthCase(share, LaunchTimes.Of(launches, kernels, share).Sum(time => time.EstimatedSeconds)))], times,
            Estimate.DeepBench.Compare(kernels));

        // Of a type that launches a frame, or of one that launches all.
        double Frame(string one, string all)
        {
            KernelLaunch[] own = [.. launches.Where(launch => launch.Kernel.DeclaringType!.Name == one || launch.Kernel.DeclaringType.Name == all)];
            double frames = own.Sum(launch => launch.Arguments.OfType<GruStep>().Count() + launch.Arguments.OfType<GruPass>().Sum(pass => pass.T));
            return LaunchTimes.Of(own, kernels).Sum(time => time.EstimatedSeconds) / frames;
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

    /// <summary>Two Markdown tables.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.AppendLine($"ESTIMATE of a training step on a P100, not measured: batch {Batch}, {Frames} frames, {Labels} labels");
        text.AppendLine(
            $"step {Total.EstimatedSeconds:F3} s (roofline {Total.RooflineSeconds:F3} s); a frame of the recurrence {1e3 * RecurrentForwardFrameSeconds:F3} ms forward, "
            + $"{1e3 * RecurrentBackwardFrameSeconds:F3} ms backward");
        text.AppendLine(
            $"assumed: {P100Model.PeakFlops / 1e12:F1} TFLOP/s at {P100Model.ClockHertz / 1e9} GHz, {100 * P100Model.SustainedShare:F0} % of {P100Model.PeakBandwidth / 1e9} GB/s, "
            + $"{1e9 * P100Model.LoadLatency} ns from load to value, {1e6 * P100Model.LaunchGap} us between launches");
        text.AppendLine("step if memory sustains " + string.Join(", ", IfMemorySustains.Select(other => $"{100 * other.Share:F0} %: {other.EstimatedSeconds:F3} s")));
        text.AppendLine().AppendLine(MarkdownTable.Of(
        [
            ["kernel", "launches", "GFLOP", "GB", "roofline ms", "estimated ms", "share"],
            .. Kernels.Append(Total).Select(time => new[]
            {
                time.Name, $"{time.Launches}", $"{time.Gflop:F1}", $"{time.Gigabytes:F2}", $"{1e3 * time.RooflineSeconds:F2}", $"{1e3 * time.EstimatedSeconds:F2}",
                $"{100 * time.EstimatedSeconds / Total.EstimatedSeconds:F1} %",
            }),
        ]));
        text.AppendLine().AppendLine("beside DeepBench's measured times (P100, cuDNN 6, cuBLAS 8, fp32)").AppendLine().Append(MarkdownTable.Of(
        [
            ["work", "measured there, ms", "our roofline, ms", "our estimate, ms"],
            .. DeepBench.Select(row => new[]
            {
                row.Work, $"{1e3 * row.MeasuredSeconds:F2}", $"{1e3 * row.RooflineSeconds:F2}", $"{1e3 * row.EstimatedSeconds:F2}",
            }),
        ]));
        return text.ToString();
    }
}

/// <summary>A step's estimate under an assumption.</summary>
/// <param name="Share">What memory sustains of its peak rate.</param>
/// <param name="EstimatedSeconds">What the step should take then.</param>
internal sealed record BandwidthCase(double Share, double EstimatedSeconds);
