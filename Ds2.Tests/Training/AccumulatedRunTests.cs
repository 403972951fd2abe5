using Ds2.Runtime;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Runs whose steps have several batches: what they learn, and where they stand when something comes between two batches of a step.</summary>
public sealed class AccumulatedRunTests : TinyRunTests
{
    /// <summary>Where running statistics normalize, nothing but rounding depends on which utterances share a batch.</summary>
    private static readonly RunOptions Fixed = TrainingRuns.Tiny with { Training = TrainingRuns.Tiny.Training with { Epochs = 3, Lr = 0.03, Freeze = "conv,fc" } };

    /// <summary>Three steps an epoch, of three, three and one batch.</summary>
    private static readonly RunOptions Three = Fixed with { Data = new() { Batch = 1, Accumulate = 3 }, Training = Fixed.Training with { Freeze = "" } };

    private string Latest => Corpus.PathOf("run/latest.safetensors");

    [Test]
    public void Run_StepsOfSeveralBatches_LearnWhatLargeBatchesDo([Values] BatchOrder order, [Values(1, 2)] int batch)
    {
        int accumulate = 4 - batch;
        AssertSame(
            Fixed with { Data = new() { Batch = batch, Accumulate = accumulate, Order = order } },
            Fixed with { Data = new() { Batch = batch * accumulate, Order = order } });
    }

    /// <summary>A recording without an output frame makes no loss and is a part of the mean all the same, in a batch of its own too.</summary>
    [TestCase(1, 3)]
    [TestCase(2, 2)]
    [TestCase(1, 7)]
    public void Run_UtteranceTooShort_CountsAsInALargeBatch(int batch, int accumulate)
    {
        AssertSame(
            Fixed with { Data = new() { Batch = batch, Accumulate = accumulate } }, Fixed with { Data = new() { Batch = batch * accumulate } }, firstIsShort: true);
    }

    [Test]
    public void Run_RunningStatistics_AreThoseOfTheBatchesInTurn()
    {
        RunOptions still = Three with { Data = new() { Batch = 2 }, Training = Three.Training with { Epochs = 1, Lr = 0 } };
        float[][] one = StatisticsOf(still, "one"), several = StatisticsOf(still with { Data = still.Data with { Accumulate = 3 } }, "several");
        Assert.That(several, Is.EqualTo(one));
        Assert.That(StatisticsOf(still with { Data = new() { Batch = 6 } }, "large"), Is.Not.EqualTo(one));

        float[][] StatisticsOf(RunOptions options, string folder) =>
            [.. TrainingRuns.TensorsOf(Run(options, folder).Result.Checkpoint).Where(tensor => tensor.Key.Contains("running_", StringComparison.Ordinal)).OrderBy(tensor => tensor.Key).Select(tensor => tensor.Value)];
    }

    [TestCase(1)]
    [TestCase(4)]
    [TestCase(8)]
    public void Resume_AfterAnyStep_RepeatsTheBits(int stopAfter)
    {
        RunOptions options = Three with
        {
            Data = Three.Data with { Order = BatchOrder.Bucketed },
            Training = Three.Training with { Schedule = LearningRateKind.Cosine, Dropout = 0.2, Optimizer = OptimizerKind.AdamW, Lr = 1e-2, WarmupSteps = 5 },
        };
        (TrainingResult whole, RecordingObserver all) = Run(options, "whole");
        (TrainingResult first, RecordingObserver before) = Run(options, "run", stopAfter: stopAfter);
        Assert.That((first.Interrupted, first.State.Steps), Is.EqualTo((true, stopAfter)));
        (TrainingResult second, RecordingObserver after) = Run(options, "run", resume: first.Checkpoint);
        Assert.Multiple(() =>
        {
            Assert.That(all.Batches.Select(report => (report.Epoch, report.Batch, report.BatchesPerEpoch)), Is.EqualTo(Enumerable.Range(0, 9).Select(step => (step / 3, step % 3 + 1, 3))));
            Assert.That(before.Batches.Concat(after.Batches).Select(report => report.Loss), Is.EqualTo(all.Batches.Select(report => report.Loss)));
            Assert.That(second.State.Steps, Is.EqualTo(9));
            Assert.That(TrainingRuns.TensorsOf(second.Checkpoint), Is.EqualTo(TrainingRuns.TensorsOf(whole.Checkpoint)));
        });
    }

    /// <summary>A recording that is gone when its batch is read: in the middle of a step, of which nothing may stay; or first in its step, when the step before is done.</summary>
    [TestCase(1, 0)]
    [TestCase(3, 1)]
    [TestCase(4, 1)]
    [TestCase(5, 1)]
    public void Run_RecordingGone_SavesTheStateBeforeTheStep(int utterance, int steps)
    {
        Dictionary<string, float[]> whole = TrainingRuns.TensorsOf(Run(Three, "whole").Result.Checkpoint);
        string file = Corpus.PathOf($"{utterance}.npy"), aside = Corpus.PathOf("aside");
        Assert.That(() => Run(Three, "run", atStart: () => File.Move(file, aside)), Throws.TypeOf<InputException>().With.Message.Contains(file));
        using (var checkpoint = Checkpoint.Open(Latest))
            Assert.That((checkpoint.State.Epoch, checkpoint.State.Batch, checkpoint.State.Steps), Is.EqualTo((0, steps, steps)));
        File.Move(aside, file);
        Assert.That(TrainingRuns.TensorsOf(Run(Three, "run", resume: Latest).Result.Checkpoint), Is.EqualTo(whole));
    }

    [Test]
    public void Run_Interrupted_FinishesTheStep()
    {
        using var observer = new RecordingObserver();
        TrainingResult result = Runs.Run(Three, Corpus.PathOf("run"), observer, stop: new CancellationToken(canceled: true));
        Assert.That((result.Interrupted, result.State.Batch, observer.Batches.Count), Is.EqualTo((true, 1, 1)));
        Assert.That(observer.Batches[0].AudioSeconds, Is.EqualTo((60 + 67 + 74) * 0.01).Within(1e-9));
    }

    [TestCase(NonFinitePolicy.Skip)]
    [TestCase(NonFinitePolicy.Stop)]
    public void Run_LossNotFinite_LeavesTheWholeStepOut(NonFinitePolicy policy)
    {
        DeepSpeech2 model = null!;
        float[] sound = [];
        float[][] before = [];
        var reports = new List<BatchReport>();
        var observer = new ActingObserver(report =>
        {
            reports.Add(report);
            Tensor output = model.Parameters.Parameters.Single(parameter => parameter.Name == "fc.0.module.1.weight").Values;
            if (reports.Count == 1)
            {
                before = Everything();
                sound = output.ToArray();
                output.CopyFrom([.. sound.Select(_ => 3e38f)]);
            }
            else if (reports.Count == 2)
            {
                output.CopyFrom(sound);
                Assert.That(Everything(), Is.EqualTo(before));
            }
        });
        TrainingResult Train() => Runs.Run(Three with { Training = Three.Training with { OnNonFinite = policy } }, Corpus.PathOf("run"), observer, atStart: used => model = used);
        if (policy == NonFinitePolicy.Stop)
        {
            Assert.That(Train, Throws.TypeOf<DivergenceException>().With.Message.StartsWith("epoch 1, batch 2: the loss is NaN (utterances 3, 4, 5)"));
            return;
        }

        TrainingResult result = Train();
        Assert.That(reports[1].LeftOut, Is.EqualTo(new[] { "3", "4", "5" }));
        Assert.That((result.State.Steps, result.State.History[0].SkippedSteps), Is.EqualTo((8, 1)));
        Assert.That(result.State.History[0].Loss, Is.EqualTo((reports[0].Loss + reports[2].Loss) / 2));

        float[][] Everything() => [model.Parameters.Values.ToArray(), .. model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray())];
    }

    /// <summary>Fp32 sums in other orders, step after step.</summary>
    private void AssertSame(RunOptions several, RunOptions large, bool firstIsShort = false)
    {
        string first = Corpus.PathOf("0.npy");
        byte[] whole = File.ReadAllBytes(first);
        float[] initial = [];
        using RecordingObserver own = new(), expected = new();
        (TrainingResult result, float[] ended) = Train(several, "several", own);
        float[] wanted = Train(large, "large", expected).Parameters;
        Assert.Multiple(() =>
        {
            Assert.That(own.Batches, Has.Count.EqualTo(expected.Batches.Count));
            foreach ((BatchReport step, BatchReport batch) in own.Batches.Zip(expected.Batches))
            {
                Assert.That(step.Loss, Is.EqualTo(batch.Loss).Within(1e-3).Percent);
                Assert.That(step.LossPerLabel, Is.EqualTo(batch.LossPerLabel).Within(1e-3).Percent);
                Assert.That(step.GradientNorm, Is.EqualTo(batch.GradientNorm).Within(0.01).Percent);
                Assert.That(step.AudioSeconds, Is.EqualTo(batch.AudioSeconds).Within(1e-9));
                Assert.That((step.Batch, step.BatchesPerEpoch, step.Infeasible, step.LearningRate), Is.EqualTo((batch.Batch, batch.BatchesPerEpoch, batch.Infeasible, batch.LearningRate)));
            }

            Assert.That(own.Epochs.Select(epoch => epoch.Infeasible), Is.All.EqualTo(firstIsShort ? 1 : 0));
            Assert.That(ended.Zip(wanted, (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(1e-5));
            Assert.That(ended.Zip(initial, (a, b) => Math.Abs(a - b)).Max(), Is.GreaterThan(1e-2), "what is compared has been learnt");
            Assert.That(result.State.Steps, Is.EqualTo(own.Batches.Count));
        });

        (TrainingResult Result, float[] Parameters) Train(RunOptions options, string folder, RecordingObserver observer)
        {
            float[] parameters = [];
            File.WriteAllBytes(first, whole);
            TrainingResult result = Runs.Run(options, Corpus.PathOf(folder), observer, atStart: Start, atEnd: model => parameters = model.Parameters.Values.ToArray());
            return (result, parameters);
        }

        // As long as it was for whoever chooses what is trained on, and short when it is read.
        void Start(DeepSpeech2 model)
        {
            initial = model.Parameters.Values.ToArray();
            if (firstIsShort)
                NpyFile.Write(first, new float[13 * 8], 8, 13);
        }
    }

    private (TrainingResult Result, RecordingObserver Observer) Run(RunOptions options, string folder, int? stopAfter = null, string? resume = null, Action? atStart = null)
    {
        using var observer = new RecordingObserver(stopAfter);
        return (Runs.Run(options, Corpus.PathOf(folder), observer, resume, atStart: _ => atStart?.Invoke(), stop: observer.Stop), observer);
    }
}
