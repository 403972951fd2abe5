using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting.TensorBoard;

/// <summary>The run's curves for TensorBoard, in <c>tensorboard/</c>; the step is the number of batches since the run's start.</summary>
internal sealed class TensorBoardLog : IRunReporter
{
    public const string FolderName = "tensorboard";

    private EventFile? events;
    private int batchesPerEpoch;

    public void Start(RunSetup run)
    {
        string folder = run.PathOf(FolderName);
        batchesPerEpoch = run.BatchesPerEpoch;
        if (run.Resume is null && Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        events = new EventFile(folder);
        if (run.Resume is { State: var state })
            events.Restart(Step(state.Epoch, state.Batch) + 1);
    }

    public void OnBatch(BatchReport report) => events!.Scalars(
        Step(report.Epoch, report.Batch),
        ("train/loss", report.Loss), ("train/gradient_norm", report.GradientNorm), ("train/learning_rate", report.LearningRate),
        ("train/audio_seconds_per_second", report.AudioSeconds / report.Seconds));

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => events!.Scalars(
        Step(report.Epoch + 1, 0),
        ("train/epoch_loss", report.Loss), ("validation/wer", report.Wer), ("validation/wer_utterance", report.WerUtterance), ("validation/cer", report.Cer));

    public void Dispose() => events?.Dispose();

    private long Step(int epoch, int batch) => (long)epoch * batchesPerEpoch + batch;
}
