using System.Text.Json.Serialization;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting.Metrics;

/// <summary>An epoch as a line for programs; epochs from 1, rates in percent, times in seconds.</summary>
internal sealed record EpochMetrics(
    int Epoch, double Loss, double LearningRate, double Wer, double WerUtterance, double Cer, int Infeasible, int SkippedSteps,
    double Seconds, double LoadSeconds, double EvaluationSeconds, double AudioSecondsPerSecond,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? BeamWer = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? BeamCer = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? LossPerLabel = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? ValidationLoss = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? ValidationLossPerLabel = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? ValidationInfeasible = null)
{
    public const string Kind = "epoch";

    public static EpochMetrics Of(EpochReport report) => new(
        report.Epoch + 1, report.Loss, report.LearningRate, report.Wer, report.WerUtterance, report.Cer, report.Infeasible, report.SkippedSteps,
        report.Seconds, report.LoadSeconds, report.EvaluationSeconds, report.AudioSecondsPerSecond, report.BeamWer, report.BeamCer,
        report.LossPerLabel, report.ValidationLoss, report.ValidationLossPerLabel, report.ValidationInfeasible);

    [JsonPropertyOrder(-1)]
    public string Event => Kind;

    public double ComputeSeconds => Seconds - LoadSeconds - EvaluationSeconds;
}
