using System.Text.Json.Nodes;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;
using Ds2.Train.Reporting.Metrics;

namespace Ds2.Train.Reporting;

/// <summary>A run as JSON lines; rates in percent, times in seconds, epochs from 1.</summary>
internal sealed class JsonReporter : IRunReporter
{
    public void Start(RunSetup run) => JsonLines.Write(new
    {
        Event = "start",
        Device = run.Model.Engine.Name,
        Parameters = run.Model.Parameters.Count,
        TrainUtterances = run.Training.Utterances.Count,
        TrainSeconds = run.Training.TotalSeconds,
        ValUtterances = run.Validation.Utterances.Count,
        ValSeconds = run.Validation.TotalSeconds,
        Out = run.Folder,
        ChosenPreset = run.Chosen?.Preset,
        ChosenBecause = run.Chosen?.Reason,
        ResumedEpoch = run.Resume?.State.Epoch + 1,
        ResumedBatch = run.Resume?.State.Batch,
        Options = JsonNode.Parse(run.Options.ToJson()),
    });

    public void OnNote(string line) => Console.Error.WriteLine($"ds2: {line}");

    public void OnBatch(BatchReport report) => JsonLines.Write(BatchMetrics.Of(report));

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => JsonLines.Write(EpochMetrics.Of(report));

    public void End(TrainingResult result) => JsonLines.Write(new
    {
        Event = "result",
        result.TargetReached,
        result.Interrupted,
        result.Best?.Wer,
        result.Best?.BeamWer,
        Epochs = result.State.Epoch,
        Seconds = result.State.TotalSeconds,
        result.Checkpoint,
    });

    public void Dispose()
    {
        // Nothing is held.
    }
}
