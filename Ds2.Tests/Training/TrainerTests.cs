using Ds2.Kernels.Engines;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Whole runs of a tiny model: resuming, reaching the target, learning.</summary>
public sealed class TrainerTests
{
    private static readonly RunOptions Tiny = new()
    {
        Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 6, Layers = 2, Bidirectional = true, RnnBatchNorm = true },
        Data = new() { Batch = 2, Order = BatchOrder.Sortagrad },
        Training = new() { Epochs = 3, TargetWer = -1, Lr = 1e-2 },
    };

    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>Stops after each possible batch, in another process's place, and goes on: the last file is the same, byte for byte but for the clock.</summary>
    [TestCase(OptimizerKind.Sgd, 1)]
    [TestCase(OptimizerKind.Sgd, 4)]
    [TestCase(OptimizerKind.AdamW, 6)]
    [TestCase(OptimizerKind.AdamW, 11)]
    [TestCase(OptimizerKind.Muon, 6)]
    public void Resume_ContinuesBitForBit(OptimizerKind optimizer, int stopAfter)
    {
        RunOptions options = Tiny with { Data = Tiny.Data with { TimeMasks = 1, RowMasks = 1 }, Training = Tiny.Training with { Optimizer = optimizer } };
        (TrainingResult whole, RecordingObserver all) = Train(options, "whole");
        (TrainingResult first, RecordingObserver before) = Train(options, "parts", stopAfter: stopAfter);
        Assert.That(first.Interrupted, Is.True);
        (TrainingResult second, RecordingObserver after) = Train(options, "parts", resume: first.Checkpoint);
        Assert.Multiple(() =>
        {
            Assert.That(second.Interrupted, Is.False);
            Assert.That(before.Batches.Concat(after.Batches).Select(report => report.Loss), Is.EqualTo(all.Batches.Select(report => report.Loss)));
            Assert.That(second.State.History.Select(epoch => epoch.Loss), Is.EqualTo(whole.State.History.Select(epoch => epoch.Loss)));
            Assert.That(second.State.History.Select(epoch => epoch.Wer), Is.EqualTo(whole.State.History.Select(epoch => epoch.Wer)));
            Assert.That(TrainingRuns.TensorsOf(second.Checkpoint), Is.EqualTo(TrainingRuns.TensorsOf(whole.Checkpoint)));
        });
    }

    [Test]
    public void Run_SameSeed_GivesTheSameBits()
    {
        (TrainingResult first, _) = Train(Tiny, "first");
        (TrainingResult second, _) = Train(Tiny, "second");
        (TrainingResult other, _) = Train(Tiny with { Training = Tiny.Training with { Seed = 2 } }, "other");
        Assert.That(TrainingRuns.TensorsOf(second.Checkpoint), Is.EqualTo(TrainingRuns.TensorsOf(first.Checkpoint)));
        Assert.That(TrainingRuns.TensorsOf(other.Checkpoint), Is.Not.EqualTo(TrainingRuns.TensorsOf(first.Checkpoint)));
    }

    /// <summary>A run that goes on by another rate has the best by that: its file, where the state is at hand, else a line that says which epoch the file is of.</summary>
    [Test]
    public void Run_GoesOnByAnotherRate_KeepsTheBestByThat()
    {
        string[] right = [.. Corpus.Load(corpus.Manifest, Alphabet.English).Utterances.Select(utterance => utterance.Text)], wrong = [.. right.Select(_ => "")];
        RunOptions two = Tiny with { Training = Tiny.Training with { Epochs = 2 } };
        (TrainingResult first, RecordingObserver observer) = Train(two, "greedy", beam: new BeamValidation(new KnownTexts([.. wrong, .. right])));
        Assert.That(observer.Epochs.Select(epoch => epoch.BeamWer), Is.EqualTo(new double?[] { 100, 0 }));
        Assert.That(EpochsOf("greedy/best.safetensors"), Is.EqualTo(observer.Epochs[1].Wer < observer.Epochs[0].Wer ? 2 : 1));
        Train(Tiny, "greedy", resume: first.Checkpoint, beam: new BeamValidation(new KnownTexts([]), Decides: true));
        Assert.That(EpochsOf("greedy/best.safetensors"), Is.EqualTo(2), "the third is worse");

        // Here the best by the new rate, the first epoch, is gone; the third is better than what is there.
        (first, _) = Train(two, "beam", beam: new BeamValidation(new KnownTexts([.. right, .. wrong])));
        File.Copy(first.Checkpoint, corpus.PathOf("beam/best.safetensors"), overwrite: true);
        (_, observer) = Train(Tiny, "beam", resume: first.Checkpoint, beam: new BeamValidation(new KnownTexts(right), Decides: true));
        Assert.That(observer.Notes, Has.Some.Contains("best.safetensors is of epoch 2; that of epoch 1"));
        Assert.That(EpochsOf("beam/best.safetensors"), Is.EqualTo(3));
    }

    /// <summary>Of epochs that are equally good the first is the best, also of a run that went back to its third; and a run that goes on in another folder has its best there.</summary>
    [Test]
    public void Run_GoesOnFromAnotherFile_KeepsTheBestThatItHas()
    {
        (TrainingResult first, _) = Train(Tiny, "run", beam: new BeamValidation(new KnownTexts([]), Decides: true));
        byte[] best = File.ReadAllBytes(corpus.PathOf("run/best.safetensors"));
        File.Copy(first.Checkpoint, corpus.PathOf("run/third.safetensors"));
        Train(Tiny, "run", resume: corpus.PathOf("run/third.safetensors"), beam: new BeamValidation(new KnownTexts([]), Decides: true));
        Assert.That(File.ReadAllBytes(corpus.PathOf("run/best.safetensors")), Is.EqualTo(best));
        Assert.That(EpochsOf("run/best.safetensors"), Is.EqualTo(1));

        Train(Tiny with { Training = Tiny.Training with { Epochs = 4 } }, "other", resume: first.Checkpoint, beam: new BeamValidation(new KnownTexts([]), Decides: true));
        Assert.That(File.ReadAllBytes(corpus.PathOf("other/best.safetensors")), Is.EqualTo(best));
    }

    /// <summary>An epoch's rate is that of its last step, also where the schedule ends at zero.</summary>
    [TestCase(LearningRateKind.Cosine)]
    [TestCase(LearningRateKind.Anneal)]
    public void Run_EpochsRate_IsItsLastSteps(LearningRateKind schedule)
    {
        (_, RecordingObserver observer) = Train(Tiny with { Training = Tiny.Training with { Schedule = schedule } }, "run");
        Assert.That(observer.Epochs.Select(epoch => epoch.LearningRate), Is.EqualTo(observer.Batches.Where(batch => batch.Batch == batch.BatchesPerEpoch).Select(batch => batch.LearningRate)).And.All.GreaterThan(0));
    }

    [Test]
    public void Run_TargetReached_EndsBeforeTheLastEpoch()
    {
        (TrainingResult result, RecordingObserver observer) = Train(Tiny with { Training = Tiny.Training with { TargetWer = 1000 } }, "run");
        Assert.That(result.TargetReached, Is.True);
        Assert.That(observer.Epochs, Has.Count.EqualTo(1));
    }

    /// <summary>The texts of the search are right in the first epoch and empty then, whatever the model says.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void Run_WithBeam_CountsItsErrorsBeside_AndGoesByThemWhereAsked(bool decides)
    {
        var data = Corpus.Load(corpus.Manifest, Alphabet.English);
        var search = new KnownTexts([.. data.Utterances.Select(utterance => utterance.Text)]);
        (TrainingResult result, RecordingObserver observer) = Train(Tiny, "run", beam: new BeamValidation(search, decides));
        Assert.That(observer.Epochs.Select(epoch => epoch.BeamWer), Is.EqualTo(new double?[] { 0, 100, 100 }));
        Assert.That(observer.Epochs.Select(epoch => epoch.BeamCer), Is.EqualTo(new double?[] { 0, 100, 100 }));
        Assert.That(observer.Epochs.Select(epoch => epoch.Wer), Is.All.GreaterThan(0));
        using Checkpoint latest = Checkpoint.Open(result.Checkpoint), best = Checkpoint.Open(corpus.PathOf("run/best.safetensors"));
        Assert.That(latest.State.History, Is.EqualTo(observer.Epochs), "a run that goes on knows them");
        Assert.That(result.Best, Is.EqualTo(observer.Epochs.MinBy(epoch => decides ? epoch.BeamWer : epoch.Wer)));
        Assert.That(best.State.History[^1], Is.EqualTo(result.Best));

        (result, observer) = Train(Tiny with { Training = Tiny.Training with { TargetWer = 0 } }, "target", beam: new BeamValidation(new KnownTexts(search.Texts), decides));
        Assert.That((result.TargetReached, observer.Epochs.Count), Is.EqualTo(decides ? (true, 1) : (false, 3)));
    }

    /// <summary>The search is right in the first epoch alone, which stays the best. A run that goes on has the epochs before in its history.</summary>
    [TestCase(0, RunEnd.LastEpoch, 5)]
    [TestCase(2, RunEnd.Patience, 3)]
    [TestCase(4, RunEnd.LastEpoch, 5, Description = "the last epoch is done anyway")]
    [TestCase(9, RunEnd.LastEpoch, 5)]
    public void Run_Patience_EndsItAfterSoManyEpochsWithoutABetterRate(int patience, RunEnd end, int epochs)
    {
        string[] texts = [.. Corpus.Load(corpus.Manifest, Alphabet.English).Utterances.Select(utterance => utterance.Text)];
        RunOptions options = Tiny with { Training = Tiny.Training with { Epochs = 5, Patience = patience } };
        (TrainingResult result, RecordingObserver observer) = Train(options, "whole", beam: new BeamValidation(new KnownTexts(texts), Decides: true));
        Assert.That((result.End, observer.Epochs.Count, result.Best!.Epoch), Is.EqualTo((end, epochs, 0)));

        (TrainingResult first, _) = Train(options, "parts", stopAfter: 10, beam: new BeamValidation(new KnownTexts(texts), Decides: true));
        Assert.That((first.End, first.State.Epoch), Is.EqualTo((RunEnd.Interruption, 2)));
        (TrainingResult second, _) = Train(options, "parts", resume: first.Checkpoint, beam: new BeamValidation(new KnownTexts([]), Decides: true));
        Assert.That((second.End, second.State.History.Count), Is.EqualTo((end, epochs)));
        (TrainingResult again, observer) = Train(options, "parts", resume: second.Checkpoint, beam: new BeamValidation(new KnownTexts([]), Decides: true));
        Assert.That((again.End, observer.Batches.Count), Is.EqualTo((end, 0)), "it is over");
    }

    [Test]
    public void Run_AnnealsTheLearningRateEveryEpoch()
    {
        (_, RecordingObserver observer) = Train(Tiny with { Training = Tiny.Training with { Lr = 0.1, Anneal = 2 } }, "run");
        Assert.That(observer.Epochs.Select(epoch => epoch.LearningRate), Is.EqualTo(new[] { 0.1, 0.05, 0.025 }));
    }

    [Test]
    public void Run_InfeasibleText_IsCountedAndLeftOut()
    {
        File.WriteAllText(corpus.PathOf("0.txt"), new string('X', 300));
        (TrainingResult result, RecordingObserver observer) = Train(Tiny, "run");
        Assert.Multiple(() =>
        {
            Assert.That(observer.Epochs.Select(epoch => epoch.Infeasible), Is.All.EqualTo(1));
            Assert.That(observer.Batches.Select(batch => batch.Loss), Is.All.Matches<double>(double.IsFinite));
            Assert.That(result.State.SkippedSteps, Is.Zero);
        });
    }

    /// <summary>Of the texts' 20 labels; the one that does not fit its frames counts in neither.</summary>
    [Test]
    public void Run_LossPerLabel_IsAllNatsOverAllLabels([Values] bool infeasible)
    {
        if (infeasible)
            File.WriteAllText(corpus.PathOf("0.txt"), new string('X', 300));
        (_, RecordingObserver observer) = Train(Tiny with { Data = Tiny.Data with { Batch = 7 }, Training = Tiny.Training with { Lr = 0 } }, "run");
        double labels = infeasible ? 17 : 20;
        Assert.Multiple(() =>
        {
            Assert.That(observer.Batches.Select(batch => batch.LossPerLabel), Is.All.EqualTo(7 * observer.Batches[0].Loss / labels).Within(1e-4).Percent);
            Assert.That(observer.Epochs.Select(epoch => epoch.LossPerLabel), Is.All.EqualTo(observer.Batches[0].LossPerLabel).Within(1e-4).Percent);
            Assert.That(observer.Epochs.Select(epoch => epoch.ValidationInfeasible), Is.All.EqualTo(infeasible ? 1 : 0));
            foreach (EpochReport epoch in observer.Epochs)
                Assert.That(epoch.ValidationLoss * (infeasible ? 6 : 7), Is.EqualTo(epoch.ValidationLossPerLabel * labels).Within(1e-6).Percent);
        });
    }

    [Test]
    public void Run_OneBatch_IsLearntByHeart()
    {
        RunOptions options = Tiny with
        {
            Model = Tiny.Model with { Channels = 4, Hidden = 32, Layers = 1 },
            Data = Tiny.Data with { Batch = 7 },
            Training = Tiny.Training with { Epochs = 400, TargetWer = 0, Optimizer = OptimizerKind.AdamW, Lr = 5e-3, Anneal = 1 },
        };
        (TrainingResult result, RecordingObserver observer) = Train(options, "run");
        Assert.That(result.TargetReached, Is.True, $"loss {observer.Epochs[^1].Loss}, WER {observer.Epochs[^1].Wer} after {observer.Epochs.Count} epochs");
    }

    [Test]
    public void Resume_CheckpointOfAnotherModel_NamesTheTensor()
    {
        (TrainingResult result, _) = Train(Tiny, "run");
        Assert.That(
            () => Train(Tiny with { Model = Tiny.Model with { Hidden = 7 } }, "other", resume: result.Checkpoint),
            Throws.TypeOf<Runtime.InputException>().With.Message.Contains("rnns.0.rnn.weight_ih_l0").And.Message.Contains("another model"));
    }

    /// <summary>A sparse file stands for a recording of four days.</summary>
    [Test]
    public void Run_BatchTooLarge_SaysWhatToDo()
    {
        corpus.MakeFirstLong(40_000_000);
        Assert.That(
            () => Train(Tiny with { Data = Tiny.Data with { Batch = 7 } }, "run"),
            Throws.TypeOf<Runtime.InputException>().With.Message.Contains("batch of 7 utterances of up to 40000001 frames").And.Message.Contains("batch=3").And.Message.Contains("accumulate=2"));
    }

    private (TrainingResult Result, RecordingObserver Observer) Train(RunOptions options, string folder, int? stopAfter = null, string? resume = null, BeamValidation? beam = null)
    {
        using IEngine engine = EngineFactory.Create(new DeviceChoice(DeviceKind.Host), threads: 2);
        var data = Corpus.Load(corpus.Manifest, Alphabet.English);
        using var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, options.Training.Seed);
        using var training = new BatchLoader(data, new FeatureExtractor(options.Model.Features), options.Data.Batch, options.Data.Order, options.Training.Seed, augment: options.Data.Masks);
        using var validation = new BatchLoader(data, new FeatureExtractor(options.Model.Features), options.Data.Batch, BatchOrder.Sorted, options.Training.Seed);
        using var observer = new RecordingObserver(stopAfter);
        using Checkpoint? checkpoint = resume is null ? null : Checkpoint.Open(resume);
        using var trainer = new Trainer(
            options, model, new ModelDescription(options.Model, Alphabet.English), training, validation, new CheckpointPolicy(corpus.PathOf(folder), TimeSpan.Zero), observer, resume: checkpoint, beam: beam);
        return (trainer.Run(observer.Stop), observer);
    }

    private int EpochsOf(string path)
    {
        using Checkpoint checkpoint = Checkpoint.Open(corpus.PathOf(path));
        return checkpoint.State.History.Count;
    }

    /// <summary>Says these texts once, and nothing then.</summary>
    private sealed class KnownTexts(string[] texts) : IDecoder
    {
        private int next;

        public string[] Texts => texts;

        public string[] Decode(ReadOnlySpan<float> logits, int t, int n, ReadOnlySpan<int> frames) =>
            [.. Enumerable.Range(0, n).Select(_ => next < texts.Length ? texts[next++] : "")];
    }
}
