using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Keeps what a run reports, and can ask it to stop after so many batches.</summary>
internal sealed class RecordingObserver : ITrainingObserver, IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly int? stopAfter;

    public RecordingObserver(int? stopAfter = null) => this.stopAfter = stopAfter;

    public CancellationToken Stop => source.Token;

    public List<BatchReport> Batches { get; } = [];

    public List<EpochReport> Epochs { get; } = [];

    public List<string> Notes { get; } = [];

    public void OnNote(string line) => Notes.Add(line);

    public void OnBatch(BatchReport report)
    {
        Batches.Add(report);
        if (Batches.Count == stopAfter)
            source.Cancel();
    }

    public void OnEvaluating(int done, int total) => Assert.That(done, Is.InRange(1, total));

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => Epochs.Add(report);

    public void Dispose() => source.Dispose();
}
