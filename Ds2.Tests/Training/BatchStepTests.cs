using System.Runtime.InteropServices;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Steps of several batches, looked at between them.</summary>
public sealed class BatchStepTests
{
    private TinyCorpus corpus = null!;
    private HostEngine engine = null!;
    private DeepSpeech2 model = null!;

    [SetUp]
    public void MakeModel()
    {
        corpus = new TinyCorpus();
        engine = new HostEngine(threads: 1);
        model = new DeepSpeech2(TrainingRuns.Tiny.Model.ArchitectureFor(Alphabet.English), engine, seed: 1);
    }

    [TearDown]
    public void FreeModel()
    {
        model.Dispose();
        engine.Dispose();
        corpus.Dispose();
    }

    [Test]
    public void Finish_NaNInOneBatch_TakesTheWholeStepBack_AndTellsWhichBatch([Range(0, 2)] int broken)
    {
        using BatchLoader loader = Loader(batch: 2, accumulate: 3);
        using BatchStep step = Step(loader, new TrainingOptions { Lr = 1e-2 });
        Batch[] sound = [.. loader.Epoch(0).Take(3)];
        Assert.That(Take(step, sound, number: 1).Outcome, Is.EqualTo(StepOutcome.Learnt), "a step that counts, so that the state is none of zeros");
        float[][] before = Everything(step);
        Batch[] batches = [.. loader.Epoch(0).Take(3)];
        MemoryMarshal.AsMemory(batches[broken].Features).Span[20] = float.NaN;
        (StepOutcome outcome, StepLosses losses, double norm) = Take(step, batches, number: 2);
        Assert.Multiple(() =>
        {
            Assert.That((outcome, double.IsNaN(losses.Mean), double.IsFinite(norm)), Is.EqualTo((StepOutcome.NotFinite, true, false)));
            Assert.That(losses.Suspects, Is.EqualTo(new[] { $"{2 * broken}", $"{2 * broken + 1}" }));
            Assert.That(losses.Ids, Is.EqualTo(new[] { "0", "1", "2", "3", "4", "5" }));
            Assert.That(Everything(step), Is.EqualTo(before));
        });
    }

    [Test]
    public void Abandon_BetweenTwoBatches_LeavesWhatWasBefore()
    {
        using BatchLoader loader = Loader(batch: 2, accumulate: 3);
        using BatchStep step = Step(loader, new TrainingOptions { Lr = 1e-2 });
        float[][] before = Everything(step);
        foreach (Batch batch in loader.Epoch(0).Take(2))
        {
            step.Prefetch(batch);
            step.Queue(batch, 1, 1e-2);
            step.EndBatch();
        }

        step.Abandon();
        Assert.That(Everything(step), Is.EqualTo(before));
        Batch[] whole = [.. loader.Epoch(0).Take(3)];
        Assert.That(Take(step, whole, number: 1).Outcome, Is.EqualTo(StepOutcome.Learnt), "a step begins anew");
        float[][] after = Everything(step);
        using var otherModel = new DeepSpeech2(TrainingRuns.Tiny.Model.ArchitectureFor(Alphabet.English), engine, seed: 1);
        using var other = new BatchStep(new TrainingOptions { Lr = 1e-2 }, otherModel, Alphabet.English.Blank, loader.Accumulate);
        other.Reserve(loader.Largest[0]);
        Take(other, [.. loader.Epoch(0).Take(3)], number: 1);
        Assert.That(after[0], Is.EqualTo(otherModel.Parameters.Values.ToArray()), "nothing of the abandoned step is in it");
    }

    /// <summary>The same recording twice: without dropout its losses are equal, with it each batch has a mask of its own.</summary>
    [TestCase(0)]
    [TestCase(0.3)]
    public void Queue_BatchesOfAStep_DropOthers(double dropout)
    {
        File.Copy(corpus.PathOf("0.npy"), corpus.PathOf("1.npy"), overwrite: true);
        File.Copy(corpus.PathOf("0.txt"), corpus.PathOf("1.txt"), overwrite: true);
        double Loss(int accumulate)
        {
            using BatchLoader loader = Loader(batch: 1, accumulate);
            using BatchStep step = Step(loader, new TrainingOptions { Lr = 0, Dropout = dropout });
            return Take(step, [.. loader.Epoch(0).Take(accumulate)], number: 1, learningRate: 0).Losses.Mean;
        }

        Assert.That(Loss(2), dropout == 0 ? Is.EqualTo(Loss(1)) : Is.Not.EqualTo(Loss(1)).Within(1e-3).Percent);
    }

    [Test]
    public void ParameterCopies_AreGradientsSumsAndState([Values(1, 4)] int accumulate)
    {
        using BatchLoader loader = Loader(batch: 1, accumulate);
        using BatchStep step = Step(loader, new TrainingOptions { Optimizer = OptimizerKind.AdamW });
        Assert.That(step.ParameterCopies, Is.EqualTo(accumulate == 1 ? 3 : 5));
    }

    private static (StepOutcome Outcome, StepLosses Losses, double GradientNorm) Take(BatchStep step, Batch[] batches, int number, double learningRate = 1e-2)
    {
        foreach (Batch batch in batches)
        {
            step.Prefetch(batch);
            step.Queue(batch, number, learningRate);
            if (!batch.Part.IsLast)
                step.EndBatch();
        }

        return step.Finish(new TrainingState());
    }

    private BatchLoader Loader(int batch, int accumulate) => new(
        Runtime.Data.Corpus.Load(corpus.Manifest, Alphabet.English), new FeatureExtractor(FeatureKind.MfccRaw), batch, BatchOrder.Sorted, seed: 1)
    { Accumulate = accumulate };

    private BatchStep Step(BatchLoader loader, TrainingOptions options)
    {
        var step = new BatchStep(options, model, Alphabet.English.Blank, loader.Accumulate);
        foreach (BatchSize size in loader.Largest)
            step.Reserve(size);
        return step;
    }

    private float[][] Everything(BatchStep step) =>
    [
        model.Parameters.Values.ToArray(), .. step.Optimizer.States.Select(state => state.State.ToArray()),
        .. model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray()),
    ];
}
