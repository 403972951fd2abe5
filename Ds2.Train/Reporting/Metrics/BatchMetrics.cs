using System.Text.Json.Serialization;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting.Metrics;

/// <summary>A training step as a line for programs; epochs and batches from 1, times in seconds.</summary>
internal sealed record BatchMetrics(
    int Epoch, int Batch, int Batches, double Loss, double GradientNorm, double LearningRate, int Infeasible,
    double AudioSeconds, double Seconds, double LoadSeconds, IReadOnlyList<string>? LeftOut,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? LossPerLabel = null)
{
    public const string Kind = "batch";

    public static BatchMetrics Of(BatchReport report) => new(
        report.Epoch + 1, report.Batch, report.BatchesPerEpoch, report.Loss, report.GradientNorm, report.LearningRate, report.Infeasible,
        report.AudioSeconds, report.Seconds, report.LoadSeconds, report.LeftOut, report.LossPerLabel);

    [JsonPropertyOrder(-1)]
    public string Event => Kind;

    /// <summary>To the end of the run, if it goes on to its last epoch; null where it is not estimated, as in the run's own file.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? SecondsLeft { get; init; }

    public double ComputeSeconds => Seconds - LoadSeconds;

    public double AudioSecondsPerSecond => AudioSeconds / Seconds;
}
