using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting.TensorBoard;

/// <summary>The run's curves for TensorBoard, in <c>tensorboard/</c>; the step is the number of batches since the run's start.</summary>
internal sealed class TensorBoardLog : IRunReporter
{
    public const string FolderName = "tensorboard";

    private EventFile? events;
    private long step;

    public void Start(RunSetup run)
    {
        string folder = run.PathOf(FolderName);
        step = run.Resume?.State.BatchesDone ?? 0;
        // An earlier run's; whatever else lies there is not ours.
        if (run.Resume is null && Directory.Exists(folder))
        {
            foreach (string earlier in Directory.EnumerateFiles(folder, EventFile.Pattern))
                File.Delete(earlier);
        }

        events = new EventFile(folder);
        if (run.Resume is not null)
            events.Restart(step + 1);
    }

    public void OnBatch(BatchReport report) => events!.Scalars(
        ++step,
        [("train/loss", report.Loss), ("train/gradient_norm", report.GradientNorm), ("train/learning_rate", report.LearningRate),
        ("train/audio_seconds_per_second", report.AudioSeconds / report.Seconds),
        .. Known(("train/loss_per_label", report.LossPerLabel))]);

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => events!.Scalars(
        step,
        [
            ("train/epoch_loss", report.Loss), ("validation/wer", report.Wer), ("validation/wer_utterance", report.WerUtterance), ("validation/cer", report.Cer),
            .. Known(
                ("train/epoch_loss_per_label", report.LossPerLabel), ("validation/loss", report.ValidationLoss), ("validation/loss_per_label", report.ValidationLossPerLabel),
                ("validation/beam_wer", report.BeamWer), ("validation/beam_cer", report.BeamCer)),
        ]);

    public void Dispose() => events?.Dispose();

    /// <summary>The scalars that a run has.</summary>
    private static IEnumerable<(string Name, double Value)> Known(params (string Name, double? Value)[] scalars) =>
        scalars.Where(scalar => scalar.Value is not null).Select(scalar => (scalar.Name, scalar.Value!.Value));
}
