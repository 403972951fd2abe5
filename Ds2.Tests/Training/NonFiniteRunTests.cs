using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Runs whose loss turns NaN in the middle: they stop or leave the batch out, and nothing is poisoned.</summary>
public sealed class NonFiniteRunTests
{
    private const string Output = "fc.0.module.1.weight";

    private static readonly RunOptions Tiny = new()
    {
        Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 6, Layers = 1 },
        Data = new() { Batch = 2 },
        Training = new() { Epochs = 2, TargetWer = -1, Lr = 1e-2 },
    };

    private TinyCorpus corpus = null!;
    private HostEngine engine = null!;
    private DeepSpeech2 model = null!;

    [SetUp]
    public void MakeModel()
    {
        corpus = new TinyCorpus();
        engine = new HostEngine(threads: 1);
        model = new DeepSpeech2(Tiny.Model.ArchitectureFor(Alphabet.English), engine, Tiny.Training.Seed);
    }

    [TearDown]
    public void FreeModel()
    {
        model.Dispose();
        engine.Dispose();
        corpus.Dispose();
    }

    private string Latest => corpus.PathOf("run/latest.safetensors");

    [Test]
    public void Run_Skip_LeavesTheBatchOutAndCountsIt()
    {
        float[][] before = [];
        float sound = 0;
        var reports = new List<BatchReport>();
        var observer = new ActingObserver(report =>
        {
            reports.Add(report);
            if (report is { Epoch: 0, Batch: 1 })
            {
                before = Everything();
                sound = Exchange(Output, float.NaN);
            }

            if (report is { Epoch: 0, Batch: 2 })
            {
                Exchange(Output, sound);
                Assert.That(Everything(), Is.EqualTo(before), "the batch has changed nothing");
            }
        });
        TrainingResult result = Train(Tiny with { Training = Tiny.Training with { OnNonFinite = NonFinitePolicy.Skip } }, observer);
        Assert.That(reports.Select(report => report.LeftOut is not null), Is.EqualTo(new[] { false, true, false, false, false, false, false, false }));
        Assert.That(reports[1].LeftOut, Is.EqualTo(new[] { "2", "3" }));
        Assert.That(reports[1].Loss, Is.NaN);
        Assert.That(result.State.History.Select(epoch => epoch.SkippedSteps), Is.EqualTo(new[] { 1, 0 }));
        Assert.That(result.State.History[0].Loss, Is.EqualTo((reports[0].Loss + reports[2].Loss + reports[3].Loss) / 3));
        Assert.That(result.State.Steps, Is.EqualTo(7));
    }

    /// <summary>A finite weight so large that the logits are not.</summary>
    [Test]
    public void Run_Stop_NamesTheBatchAndSavesTheStateBeforeIt()
    {
        float[][] before = [];
        var observer = new ActingObserver(report =>
        {
            Assert.That(report.Batch, Is.LessThan(3));
            if (report.Batch < 2)
                return;
            Exchange(Output, 3e38f);
            before = Everything();
        });
        var stop = Assert.Throws<DivergenceException>(() => Train(Tiny, observer))!;
        Assert.That(stop.Message, Does.StartWith("epoch 1, batch 3: the loss is NaN (utterances 4, 5)").And.Contain(Latest).And.Not.Contain("\n"));
        Assert.That(Everything(), Is.EqualTo(before));

        using var checkpoint = Checkpoint.Open(Latest);
        Assert.That((checkpoint.State.Batch, checkpoint.State.Steps, checkpoint.State.SkippedSteps), Is.EqualTo((2, 2, 0)));
        using DeepSpeech2 restored = checkpoint.Model.Load(engine);
        Assert.That(restored.Parameters.Values.ToArray(), Is.EqualTo(before[0]));
    }

    [Test]
    public void Run_Stop_ParametersNotFinite_SavesNothing()
    {
        var stop = Assert.Throws<DivergenceException>(() => Train(Tiny, new ActingObserver(_ => Exchange(Output, float.NaN))))!;
        Assert.That(stop.Message, Does.StartWith("epoch 1, batch 2: the loss is NaN (utterances 2, 3)").And.Contain("nothing is saved"));
        Assert.That(Latest, Does.Not.Exist);
    }

    [Test]
    public void Run_ParametersNotFiniteAtTheEndOfAnEpoch_LeavesTheCheckpointsAlone()
    {
        byte[] before = [];
        var observer = new ActingObserver(report =>
        {
            if (report is not { Epoch: 1, Batch: 4 })
                return;
            before = File.ReadAllBytes(Latest);
            Exchange(Output, float.NaN);
        });
        var stop = Assert.Throws<DivergenceException>(() => Train(Tiny, observer))!;
        Assert.That(stop.Message, Does.Contain("not written"));
        Assert.That(File.ReadAllBytes(Latest), Is.EqualTo(before));
    }

    [Test]
    public void Run_Skip_EndsAfterAnEpochOfNothingElse()
    {
        Exchange(Output, 3e38f);
        var stop = Assert.Throws<DivergenceException>(() => Train(Tiny with { Training = Tiny.Training with { OnNonFinite = NonFinitePolicy.Skip } }, new ActingObserver(_ => { })))!;
        Assert.That(stop.Message, Does.StartWith("epoch 1:").And.Contain("4 left out"));
    }

    /// <summary>Replaces the first value of a parameter.</summary>
    private float Exchange(string name, float value)
    {
        Parameter parameter = model.Parameters.Parameters.Single(candidate => candidate.Name == name);
        float[] values = parameter.Values.ToArray();
        (float old, values[0]) = (values[0], value);
        parameter.Values.CopyFrom(values);
        return old;
    }

    private float[][] Everything() =>
        [model.Parameters.Values.ToArray(), .. model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray())];

    private TrainingResult Train(RunOptions options, ITrainingObserver observer)
    {
        var data = Corpus.Load(corpus.Manifest, Alphabet.English);
        using var training = new BatchLoader(data, new FeatureExtractor(options.Model.Features), options.Data.Batch, options.Data.Order, options.Training.Seed);
        using var validation = new BatchLoader(data, new FeatureExtractor(options.Model.Features), options.Data.Batch, BatchOrder.Sorted, options.Training.Seed);
        using var trainer = new Trainer(
            options, model, new ModelDescription(options.Model, Alphabet.English), training, validation, new CheckpointPolicy(corpus.PathOf("run"), TimeSpan.FromHours(1)), observer);
        return trainer.Run();
    }
}
