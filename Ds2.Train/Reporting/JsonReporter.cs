using System.Text.Json.Nodes;
using Ds2.Runtime.Data;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>A run as JSON lines; rates in percent, times in seconds, epochs from 1.</summary>
internal sealed class JsonReporter : IRunReporter
{
    public void Start(RunOptions options, DeepSpeech2 model, Corpus training, Corpus validation, string folder, TrainingState? resumed) =>
        JsonLines.Write(new
        {
            Event = "start",
            Device = model.Engine.Name,
            Parameters = model.Parameters.Count,
            TrainUtterances = training.Utterances.Count,
            TrainSeconds = training.TotalSeconds,
            ValUtterances = validation.Utterances.Count,
            ValSeconds = validation.TotalSeconds,
            Out = folder,
            ResumedEpoch = resumed?.Epoch + 1,
            ResumedBatch = resumed?.Batch,
            Options = JsonNode.Parse(options.ToJson()),
        });

    public void OnBatch(BatchReport report) => JsonLines.Write(new
    {
        Event = "batch",
        Epoch = report.Epoch + 1,
        report.Batch,
        Batches = report.BatchesPerEpoch,
        report.Loss,
        GradientNorm = report.GradientNorm,
        report.LearningRate,
        report.Infeasible,
        AudioSecondsPerSecond = report.AudioSeconds / report.Seconds,
        report.LeftOut,
    });

    public void OnEvaluating(int done, int total)
    {
        // Programs wait for the epoch event.
    }

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => JsonLines.Write(new
    {
        Event = "epoch",
        Epoch = report.Epoch + 1,
        report.Loss,
        report.Wer,
        report.WerUtterance,
        report.Cer,
        report.Seconds,
        report.AudioSecondsPerSecond,
        report.LearningRate,
        report.Infeasible,
        report.SkippedSteps,
    });

    public void End(TrainingResult result) => JsonLines.Write(new
    {
        Event = "result",
        result.TargetReached,
        result.Interrupted,
        result.Best?.Wer,
        Epochs = result.State.Epoch,
        Seconds = result.State.TotalSeconds,
        result.Checkpoint,
    });

    public void Dispose()
    {
        // Nothing is held.
    }
}
