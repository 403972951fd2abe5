using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Runs in which a loss, finite, leaps up: left out where the options say so, and then nothing of it is left behind.</summary>
public sealed class SpikeRunTests : TinyRunTests
{
    private const int BatchesPerEpoch = 7;

    /// <summary>Batches of the whole run, from 0, whose loss leaps up: the window of 128 is full, and the second comes after an interruption.</summary>
    private static readonly int[] Spikes = [129, 135];

    private static readonly RunOptions Plain = TrainingRuns.Tiny with { Training = TrainingRuns.Tiny.Training with { Epochs = 20 } };

    private static readonly RunOptions Skipping = Plain.With("skipLossZ", "8");

    [TestCase("skipLossZ")]
    [TestCase("skipNormZ")]
    public void Run_Spike_IsLeftOutReportedAndCounted(string option)
    {
        var run = new SpikedRun(Spikes);
        TrainingResult result = Runs.Run(Plain.With(option, "8"), Corpus.PathOf("run"), new ActingObserver(run.AfterBatch), atStart: run.Use);
        Assert.Multiple(() =>
        {
            Assert.That(run.LeftOut, Is.EqualTo(Spikes));
            Assert.That(run.ChangedBySpike, Is.False, "parameters and statistics are those before the batch");
            Assert.That(run.Reports[Spikes[0]].Loss, Is.GreaterThan(100).And.LessThan(double.MaxValue));
            Assert.That(run.Reports[Spikes[0]].LeftOut, Has.Count.EqualTo(1));
            Assert.That(result.State.History.Select(epoch => epoch.SkippedSteps), Is.EqualTo(Enumerable.Range(0, 20).Select(epoch => epoch is 18 or 19 ? 1 : 0)));
            Assert.That(result.State.Steps, Is.EqualTo(20 * BatchesPerEpoch - 2));
            Assert.That(result.State.History[18].Loss, Is.LessThan(100), "it does not count");
        });
    }

    [Test]
    public void Run_SpikesAcrossAnInterruption_ResumesBitForBit()
    {
        var whole = new SpikedRun(Spikes);
        TrainingResult all = Runs.Run(Skipping, Corpus.PathOf("whole"), new ActingObserver(whole.AfterBatch), atStart: whole.Use);

        using var source = new CancellationTokenSource();
        var first = new SpikedRun(Spikes) { At = 131, Act = source.Cancel };
        string latest = Runs.Run(Skipping, Corpus.PathOf("run"), new ActingObserver(first.AfterBatch), atStart: first.Use, stop: source.Token).Checkpoint;
        var second = new SpikedRun(Spikes);
        TrainingResult resumed = Runs.Run(Skipping, Corpus.PathOf("run"), new ActingObserver(second.AfterBatch), latest, atStart: second.Use);
        Assert.Multiple(() =>
        {
            Assert.That(first.LeftOut.Concat(second.LeftOut), Is.EqualTo(Spikes), "the window of losses goes on, too");
            Assert.That(resumed.State.History.Select(epoch => epoch.Loss), Is.EqualTo(all.State.History.Select(epoch => epoch.Loss)));
            Assert.That(TrainingRuns.TensorsOf(resumed.Checkpoint), Is.EqualTo(TrainingRuns.TensorsOf(all.Checkpoint)));
        });
    }

    [Test]
    public void Run_ByDefault_LearnsFromASpike()
    {
        var run = new SpikedRun(Spikes[..1]);
        TrainingResult result = Runs.Run(Plain, Corpus.PathOf("run"), new ActingObserver(run.AfterBatch), atStart: run.Use);
        Assert.That(run.LeftOut, Is.Empty);
        Assert.That(run.Reports[Spikes[0]].Loss, Is.GreaterThan(100));
        Assert.That((result.State.LossWindow.Count, result.State.NormWindow.Count), Is.EqualTo((0, 0)));
    }

    /// <summary>The host decides before the parameters move, and where it has nothing against a batch, they move to the same bits.</summary>
    [Test]
    public void Run_WithoutSpikes_GivesTheSameBits()
    {
        string off = Runs.Run(Plain, Corpus.PathOf("off"), new ActingObserver(_ => { })).Checkpoint;
        string on = Runs.Run(Plain.With("skipLossZ", "1000").With("skipNormZ", "1000"), Corpus.PathOf("on"), new ActingObserver(_ => { })).Checkpoint;
        Assert.That(TrainingRuns.TensorsOf(on), Is.EqualTo(TrainingRuns.TensorsOf(off)));
    }

    /// <summary>Exchanges the output's weights for large ones of the other sign before some batches, and back after them.</summary>
    private sealed class SpikedRun(int[] spikes)
    {
        private const string Output = "fc.0.module.1.weight";

        private DeepSpeech2 model = null!;
        private float[][] before = [];
        private float[] sound = [];

        public Dictionary<int, BatchReport> Reports { get; } = [];

        public int At { get; init; } = -1;

        public Action Act { get; init; } = () => { };

        public IEnumerable<int> LeftOut => Reports.Where(pair => pair.Value.LeftOut is not null).Select(pair => pair.Key);

        public bool ChangedBySpike { get; private set; }

        public void Use(DeepSpeech2 used) => model = used;

        public void AfterBatch(BatchReport report)
        {
            int number = report.Epoch * BatchesPerEpoch + report.Batch - 1;
            Reports.Add(number, report);
            if (spikes.Contains(number))
            {
                Weights().CopyFrom(sound);
                ChangedBySpike |= !Everything().Zip(before).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
            }

            if (spikes.Contains(number + 1))
            {
                before = Everything();
                sound = Weights().ToArray();
                Weights().CopyFrom([.. sound.Select(weight => -1000 * weight)]);
            }

            if (number == At)
                Act();
        }

        private Tensor Weights() => model.Parameters.Parameters.Single(candidate => candidate.Name == Output).Values;

        private float[][] Everything() => [model.Parameters.Values.ToArray(), .. model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray())];
    }
}
