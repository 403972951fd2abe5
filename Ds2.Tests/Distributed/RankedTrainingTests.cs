using System.Runtime.InteropServices;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Training;

namespace Ds2.Tests.Distributed;

/// <summary>However many ranks share a step's batches, a run leaves the same bits.</summary>
public sealed class RankedTrainingTests
{
    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>Orders drawn anew, changed features, dropout, and a last step that has fewer batches than there are ranks.</summary>
    [Test]
    public void Run_AnyRanks_SameCheckpoint([Values(OptimizerKind.Sgd, OptimizerKind.AdamW, OptimizerKind.Muon)] OptimizerKind optimizer)
    {
        RunOptions options = Options(accumulate: 4, optimizer);
        (Dictionary<string, float[]> alone, string[] steps) = Train(options, ranks: 1);
        foreach (int ranks in new[] { 2, 4 })
        {
            (Dictionary<string, float[]> shared, string[] told) = Train(options, ranks);
            Assert.That(told, Is.EqualTo(steps), $"{ranks} ranks");
            Assert.That(shared.Keys, Is.EquivalentTo(alone.Keys));
            foreach ((string name, float[] values) in alone)
                Assert.That(shared[name], Is.EqualTo(values), $"{ranks} ranks: {name}");
        }
    }

    /// <summary>Layers of more than a megabyte, which leave one by one while the backward pass goes on, and arrive one by one while the next forward pass does.</summary>
    [Test]
    public void Run_SeveralBuckets_SameCheckpoint([Values(OptimizerKind.AdamW, OptimizerKind.Muon)] OptimizerKind optimizer)
    {
        RunOptions options = Options(accumulate: 4, optimizer);
        options = options with
        {
            Model = options.Model with { Hidden = 224, Layers = 2, Bidirectional = true, Channels = 4 },
            Training = options.Training with { Epochs = 2, Lr = 1e-3, Freeze = "rnns.0" },
        };
        Assert.That(ShareOfFirst(options, ranks: 2), Has.Count.EqualTo(3), "stretches, one of each bucket");
        (Dictionary<string, float[]> alone, string[] steps) = Train(options, ranks: 1);
        foreach (int ranks in new[] { 2, 4 })
        {
            (Dictionary<string, float[]> shared, string[] told) = Train(options, ranks);
            Assert.That(told, Is.EqualTo(steps), $"{ranks} ranks");
            Assert.That(shared, Is.EqualTo(alone), $"{ranks} ranks");
        }
    }

    [Test]
    public void Run_BatchesThatNoPowerOfTwoDivides_SameCheckpoint()
    {
        RunOptions options = Options(accumulate: 6, OptimizerKind.AdamW);
        Dictionary<string, float[]> alone = Train(options, ranks: 1).Tensors;
        foreach (int ranks in new[] { 2, 3 })
            Assert.That(Train(options, ranks).Tensors, Is.EqualTo(alone), $"{ranks} ranks");
    }

    [TestCase(4, 1)]
    [TestCase(1, 4)]
    [TestCase(2, 4)]
    public void Run_ResumedOnOtherRanks_SameCheckpointAsWithoutBreak(int before, int after)
    {
        RunOptions options = Options(accumulate: 4, OptimizerKind.AdamW);
        Dictionary<string, float[]> whole = Train(options, ranks: 1).Tensors;
        string run = corpus.PathOf("broken");
        Train(options, before, run, stopAfter: 2);
        Assert.That(Train(options, after, run, resume: true).Tensors, Is.EqualTo(whole));
    }

    /// <summary>One rank is asked to stop: all stop after the same step, and save.</summary>
    [Test]
    public void Run_OneRankInterrupted_AllStopAfterTheSameStep()
    {
        using var stop = new CancellationTokenSource();
        TrainingResult[] results = ThreadRanks.Run(2, ranks =>
        {
            using var run = new RankedRun(corpus, Options(accumulate: 2, OptimizerKind.Sgd), ranks, corpus.PathOf("stopped"), new ActingObserver(report =>
            {
                if (ranks.Rank == 1 && report.Batch == 2)
                    stop.Cancel();
            }));
            return run.Trainer.Run(ranks.Rank == 1 ? stop.Token : CancellationToken.None);
        });
        Assert.That(results.Select(result => (result.End, result.State.Batch)), Is.All.EqualTo((RunEnd.Interruption, 3)), "asked for after two, agreed on at the end of the third");
        using var checkpoint = Checkpoint.Open(results[0].Checkpoint);
        Assert.That(checkpoint.State.Batch, Is.EqualTo(3));
    }

    /// <summary>One rank is asked to stop while the ranks evaluate: none goes on alone.</summary>
    [Test]
    public void Run_OneRankInterruptedInEvaluation_AllStopBehindTheEpoch()
    {
        using var stop = new CancellationTokenSource();
        TrainingResult[] results = ThreadRanks.Run(2, ranks =>
        {
            using var run = new RankedRun(corpus, Options(accumulate: 2, OptimizerKind.Sgd), ranks, corpus.PathOf("evaluating"), new EvaluationObserver(() =>
            {
                if (ranks.Rank == 1)
                    stop.Cancel();
            }));
            return run.Trainer.Run(ranks.Rank == 1 ? stop.Token : CancellationToken.None);
        });
        Assert.That(results.Select(result => (result.End, result.State.Epoch, result.State.Trained)), Is.All.EqualTo((RunEnd.Interruption, 0, true)));
    }

    /// <summary>One rank's batch has a value that is no number: all take the same decision and name the same utterances, and nothing has moved anywhere.</summary>
    [Test]
    public void Finish_NotFiniteOnOneRank_AllLeaveTheStepOut()
    {
        RunOptions options = Options(accumulate: 2, OptimizerKind.AdamW);
        string[] outcomes = ThreadRanks.Run(2, ranks =>
        {
            using var run = new RankedRun(corpus, options, ranks, corpus.PathOf("broken"), new ActingObserver(_ => { }));
            using var queue = new QueuedCommunicator(ranks);
            using var step = new BatchStep(options.Training, run.Model, Alphabet.English.Blank, accumulate: 2, queue);
            foreach (BatchSize size in run.Training.Largest)
                step.Reserve(size);
            float[] before = [.. run.Model.Parameters.Values.ToArray(), .. run.Model.Parameters.Statistics.SelectMany(statistic => statistic.Values.ToArray())];
            Batch batch = run.Training.Epoch(0).First();
            if (ranks.Rank == 1)
                MemoryMarshal.AsMemory(batch.Features).Span[5] = float.NaN;
            step.Prefetch(batch);
            step.Queue(batch, 1, 1e-2);
            (StepOutcome outcome, StepLosses losses, _) = step.Finish(new TrainingState());
            float[] after = [.. run.Model.Parameters.Values.ToArray(), .. run.Model.Parameters.Statistics.SelectMany(statistic => statistic.Values.ToArray())];
            Assert.That(after, Is.EqualTo(before));
            return $"{outcome}: {string.Join(' ', losses.Suspects)} of {string.Join(' ', losses.Ids)}";
        });
        Assert.That(outcomes, Is.All.EqualTo("NotFinite: 1 of 0 1"));
    }

    [Test]
    public void SharedStep_RanksThatDoNotDivide_Refuses() => ThreadRanks.Run(3, ranks =>
    {
        Assert.That(() => new RankedRun(corpus, Options(accumulate: 4, OptimizerKind.Sgd), ranks, corpus.PathOf("refused"), new ActingObserver(_ => { })), Throws.ArgumentException.With.Message.Contains("3 ranks"));
        return 0;
    });

    /// <summary>Each keeps a part of the optimiser's state, and together they keep all of it.</summary>
    [Test]
    public void Optimizer_StateOfRanks_IsDivided()
    {
        int[][] kept = ThreadRanks.Run(2, ranks =>
        {
            using var engine = new HostEngine(threads: 1);
            using var model = new DeepSpeech2(Options(2, OptimizerKind.AdamW).Model.ArchitectureFor(Alphabet.English), engine, seed: 1);
            using var queue = new QueuedCommunicator(ranks);
            using var step = new BatchStep(new TrainingOptions { Optimizer = OptimizerKind.AdamW }, model, Alphabet.English.Blank, accumulate: 2, queue);
            Stretch share = step.Optimizer.Share.Single();
            return new[] { share.Offset, share.Length, step.Optimizer.States[0].State.Length, model.Parameters.Values.Length };
        });
        Assert.Multiple(() =>
        {
            Assert.That(kept[0][0], Is.Zero);
            Assert.That(kept[1][0], Is.EqualTo(kept[0][1]), "one after the other");
            Assert.That(kept[0][1] + kept[1][1], Is.EqualTo(kept[0][3]));
            Assert.That(kept.Select(of => of[2]), Is.EqualTo(kept.Select(of => of[1])));
            Assert.That(kept.Select(of => of[1]), Is.All.GreaterThan(0));
        });
    }

    private static IReadOnlyList<Stretch> ShareOfFirst(RunOptions options, int ranks) => ThreadRanks.Run(ranks, communicator =>
    {
        using var engine = new HostEngine(threads: 1);
        using var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, seed: 1);
        using var queue = new QueuedCommunicator(communicator);
        using var step = new BatchStep(options.Training, model, Alphabet.English.Blank, options.Data.Accumulate, queue);
        return step.Optimizer.Share;
    })[0];

    private static RunOptions Options(int accumulate, OptimizerKind optimizer) => TrainingRuns.Tiny with
    {
        Data = TrainingRuns.Tiny.Data with { Batch = 1, Accumulate = accumulate, Order = BatchOrder.Bucketed, Tempo = 0.1, Noise = 0.5, TimeMasks = 1 },
        Training = TrainingRuns.Tiny.Training with { Optimizer = optimizer, Dropout = 0.1, Epochs = 3, WarmupSteps = 2, Schedule = LearningRateKind.Cosine },
    };

    private (Dictionary<string, float[]> Tensors, string[] Steps) Train(RunOptions options, int ranks, string? run = null, int stopAfter = int.MaxValue, bool resume = false) =>
        RankedRun.Train(corpus, options, ranks, run, stopAfter, resume);

    private sealed class EvaluationObserver(Action act) : ITrainingObserver
    {
        public void OnBatch(BatchReport report)
        {
        }

        public void OnEvaluating(int done, int total) => act();

        public void OnEpoch(EpochReport report, EvaluationResult evaluation)
        {
        }
    }
}
