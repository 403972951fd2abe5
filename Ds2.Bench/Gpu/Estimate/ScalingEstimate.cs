using System.Text;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>What a training step should take on one P100 and on several. An estimate: nothing of it was measured on one.</summary>
/// <param name="Link">The way between ranks.</param>
/// <param name="Times">The step of a rank, layer by layer.</param>
/// <param name="Steps">By the number of ranks.</param>
internal sealed record ScalingEstimate(Link Link, StepTimes Times, IReadOnlyList<RankedStep> Steps)
{
    /// <summary>What it is, for those who read the numbers elsewhere.</summary>
    public string Kind => "estimate for P100s, not measured";

    /// <summary>The estimate for 1, 2, 4 … ranks, and for the number asked for.</summary>
    /// <param name="times">The step of a rank.</param>
    /// <param name="batch">Utterances of each rank.</param>
    /// <param name="ranks">The most ranks.</param>
    /// <param name="link">The way between them.</param>
    public static ScalingEstimate Of(StepTimes times, int batch, int ranks, Link link) =>
        new(link, times, [.. Enumerable.Range(0, 31).Select(power => 1 << power).TakeWhile(count => count < ranks).Append(ranks).Select(count => RankedStep.Of(times, batch, count, link))]);

    /// <summary>Two Markdown tables.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.AppendLine("ESTIMATE of training on several P100s, not measured: each rank has a batch of its own");
        string copies = Link.CopyBytesPerSecond is double rate ? $"{rate / 1e9:0.###} GB/s between device and host" : "straight from device to device";
        text.AppendLine($"assumed: {Link.BytesPerSecond / 1e9:0.###} GB/s on the link, each way at once, {copies}, {1e6 * Link.LatencySeconds:0.###} us a message");
        text.AppendLine("overlapped: gradients leave during the backward pass, parameters come during the forward pass, layer by layer").AppendLine();
        text.AppendLine(MarkdownTable.Of(
        [
            ["layer", "MB", "forward ms", "backward ms"],
            .. Times.Layers.Select(layer => new[]
            {
                layer.Name.Length > 0 ? layer.Name : "layout", $"{layer.Bytes / 1e6:F1}", $"{1e3 * layer.ForwardSeconds:F2}", $"{1e3 * layer.BackwardSeconds:F2}",
            }),
            ["all", $"{Times.Bytes / 1e6:F1}", $"{1e3 * Times.Layers.Sum(layer => layer.ForwardSeconds):F2}", $"{1e3 * Times.Layers.Sum(layer => layer.BackwardSeconds):F2}"],
        ])).AppendLine();
        text.Append(MarkdownTable.Of(
        [
            ["ranks", "utterances", "compute ms", "update ms", "link ms", "copies ms", "step s", "efficiency", "ten epochs, days", "overlapped: step s", "efficiency", "ten epochs, days"],
            .. Steps.Select(step => new[]
            {
                $"{step.Ranks}", $"{step.Utterances}", $"{1e3 * step.ComputeSeconds:F1}", $"{1e3 * step.UpdateSeconds:F1}", $"{1e3 * step.LinkSeconds:F1}", $"{1e3 * step.CopySeconds:F1}",
                $"{step.StepSeconds:F3}", $"{step.Efficiency:F2}", $"{step.Days:F2}",
                $"{step.OverlappedStepSeconds:F3}", $"{step.OverlappedEfficiency:F2}", $"{step.OverlappedDays:F2}",
            }),
        ]));
        return text.ToString();
    }
}
