using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

public sealed class OverfittingWatchTests : TinyRunTests
{
    /// <summary>Validation losses and training losses of the epochs, and those after which it is said.</summary>
    [TestCase("5 4 3 2 1", "5 4 3 2 1", "", TestName = "{m}(learning)")]
    [TestCase("5 4 5 4.5 6 7", "5 4 3 2 1 0.5", "5", TestName = "{m}(rising, if not at every step: once)")]
    [TestCase("5 4 5 5 5 3 4 4 4 4", "9 8 7 6 5 4 3 2 1 0", "5 9", TestName = "{m}(lower than ever, then rising again)")]
    [TestCase("5 4 4.1 4.1 4.1", "5 4 3 2 1", "", TestName = "{m}(wavering by less than it rises)")]
    [TestCase("5 4 5 5 5", "5 4 5 6 7", "", TestName = "{m}(both rising)")]
    [TestCase("5 4 5 5 3.9", "5 4 3 2 1", "", TestName = "{m}(two evaluations alone)")]
    [TestCase("- - 5 4 5 5 5", "- - 5 4 3 2 1", "7", TestName = "{m}(epochs from before the losses were known)")]
    [TestCase("- - -", "3 2 1", "", TestName = "{m}(nothing to compare)")]
    public void Note_IsSaid(string validation, string training, string after)
    {
        EpochReport[] history = [.. validation.Split(' ').Zip(training.Split(' ')).Select((pair, i) => Epoch(i, Number(pair.First), Number(pair.Second)))];
        Assert.That(string.Join(' ', Enumerable.Range(1, history.Length).Where(count => OverfittingWatch.Note(history[..count]) is not null)), Is.EqualTo(after));
    }

    /// <summary>Three texts learnt by heart, four others to validate with.</summary>
    [Test]
    public void Run_LearningByHeart_IsSaidOnce()
    {
        string[] lines = File.ReadAllLines(Corpus.Manifest);
        File.WriteAllLines(Corpus.PathOf("training.csv"), lines[..3]);
        File.WriteAllLines(Corpus.PathOf("validation.csv"), lines[3..]);
        RunOptions options = TrainingRuns.Tiny with
        {
            Model = TrainingRuns.Tiny.Model with { Hidden = 32 },
            Data = TrainingRuns.Tiny.Data with { Batch = 3 },
            Training = TrainingRuns.Tiny.Training with { Epochs = 60, Optimizer = OptimizerKind.AdamW, Lr = 1e-2, Anneal = 1 },
        };
        using var observer = new RecordingObserver();
        Runs.Run(options, Corpus.PathOf("run"), observer, trainingManifest: Corpus.PathOf("training.csv"), validationManifest: Corpus.PathOf("validation.csv"));
        Assert.That(observer.Notes, Has.Count.EqualTo(1).And.Some.StartsWith("the validation loss rises while the training loss falls: "), string.Join(' ', observer.Epochs.Select(epoch => epoch.ValidationLossPerLabel)));
    }

    private static double? Number(string text) => text == "-" ? null : double.Parse(text);

    private static EpochReport Epoch(int epoch, double? validation, double? training) =>
        new(epoch, 1, 0.1, 50, 50, 20, 0, 0, 25, 0, 5, 4, LossPerLabel: training, ValidationLoss: validation * 10, ValidationLossPerLabel: validation);
}
