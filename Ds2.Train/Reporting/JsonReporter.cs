using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;
using Ds2.Train.Reporting.Metrics;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Reporting;

/// <summary>A run as JSON lines; rates in percent, times in seconds, epochs from 1.</summary>
internal sealed class JsonReporter : IRunReporter
{
    private TimeLeft? time;

    public void Start(RunSetup run)
    {
        time = TimeLeft.Of(run);
        JsonLines.Write(new
        {
            Event = "start",
            Device = run.Model.Engine.Name,
            Parameters = run.Model.Parameters.Count,
            TrainUtterances = run.Training.Utterances.Count,
            TrainSeconds = run.Training.TotalSeconds,
            ValUtterances = run.Validation.Utterances.Count,
            ValSeconds = run.Validation.TotalSeconds,
            Out = run.Folder,
            WordsModel = run.Words is null ? null : run.PathOf(TranscriptModel.FileName),
            ChosenPreset = run.Chosen?.Preset,
            ChosenBecause = run.Chosen?.Reason,
            ResumedEpoch = run.Resume?.State.Epoch + 1,
            ResumedBatch = run.Resume?.State.Batch,
            run.Notes,
            Options = JsonNode.Parse(run.Options.ToJson()),
        });
    }

    public void OnNote(string line) => Console.Error.WriteLine($"ds2: {line}");

    public void OnBatch(BatchReport report)
    {
        time!.OnBatch(report);
        JsonLines.Write(BatchMetrics.Of(report) with { SecondsLeft = time.InRun });
    }

    public void OnEpoch(EpochReport report, EvaluationResult evaluation)
    {
        time!.OnEpoch(report);
        JsonLines.Write(EpochMetrics.Of(report));
    }

    public void End(TrainingResult result) => JsonLines.Write(new
    {
        Event = "result",
        End = JsonNamingPolicy.CamelCase.ConvertName(result.End.ToString()),
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
