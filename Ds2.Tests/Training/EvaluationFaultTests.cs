using Ds2.Runtime;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Evaluations that fail: what can be known is told before the first step, and the epoch's training is never lost.</summary>
public sealed class EvaluationFaultTests : TinyRunTests
{
    private static readonly RunOptions Tiny = TrainingRuns.Tiny with
    {
        Data = TrainingRuns.Tiny.Data with { Batch = 2 },
        Training = TrainingRuns.Tiny.Training with { Epochs = 2 },
    };

    [Test]
    public void Run_ValidationTooLarge_SaysWhatToDoBeforeTheFirstStep()
    {
        Corpus.MakeFirstLong(40_000_000);
        string training = Corpus.PathOf("training.csv");
        File.WriteAllLines(training, File.ReadLines(Corpus.Manifest).Skip(1));
        using var observer = new RecordingObserver();
        Assert.That(
            () => Runs.Run(Tiny with { Data = Tiny.Data with { Batch = 7 } }, Corpus.PathOf("run"), observer, trainingManifest: training),
            Throws.TypeOf<InputException>().With.Message.Contains("a validation batch of 7 utterances of up to 40000001 frames").And.Message.Contains("batch=3"));
        Assert.That(observer.Batches, Is.Empty);
    }

    [Test]
    public void Run_EvaluationThrows_HasSavedTheEpochAndResumesBitForBit()
    {
        using var all = new RecordingObserver();
        TrainingResult whole = Runs.Run(Tiny, Corpus.PathOf("whole"), all);
        var failing = new FailingEvaluation(Corpus.PathOf("run/latest.safetensors"));
        Assert.That(() => Runs.Run(Tiny, Corpus.PathOf("run"), failing), Throws.TypeOf<NotSupportedException>());
        Assert.That(failing.SavedBefore, Is.True, "a kill in an evaluation must not take the epoch along");
        Assert.That(IsTrained(failing.Latest), Is.True);

        using var after = new RecordingObserver();
        TrainingResult resumed = Runs.Run(Tiny, Corpus.PathOf("run"), after, failing.Latest);
        Assert.Multiple(() =>
        {
            Assert.That(after.Batches.Select(report => report.Epoch), Is.All.EqualTo(1), "the first epoch's batches are done");
            Assert.That(resumed.State.History.Select(epoch => (epoch.Loss, epoch.Wer)), Is.EqualTo(whole.State.History.Select(epoch => (epoch.Loss, epoch.Wer))));
            Assert.That(TrainingRuns.TensorsOf(resumed.Checkpoint), Is.EqualTo(TrainingRuns.TensorsOf(whole.Checkpoint)));
        });
    }

    private static bool IsTrained(string checkpoint)
    {
        using var file = Checkpoint.Open(checkpoint);
        return file.State is { Epoch: 0, Batch: 4, Trained: true };
    }

    private sealed class FailingEvaluation(string latest) : ITrainingObserver
    {
        public string Latest => latest;

        public bool SavedBefore { get; private set; }

        public void OnEvaluationStart(int epoch) => SavedBefore = File.Exists(latest) && IsTrained(latest);

        public void OnEvaluating(int done, int total) => throw new NotSupportedException("an evaluation that fails");

        public void OnEpoch(EpochReport report, EvaluationResult evaluation) => Assert.Fail("the evaluation has failed");
    }
}
