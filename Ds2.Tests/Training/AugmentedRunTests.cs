using Ds2.Kernels.Engines;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Training;

/// <summary>Runs whose audio is another one in every epoch, in batches by frames.</summary>
public sealed class AugmentedRunTests
{
    private TempFolder folder = null!;
    private RunOptions options = null!;

    [SetUp]
    public void MakeCorpus()
    {
        folder = new TempFolder();
        folder.WriteNoise([.. Enumerable.Range(0, 9).Select(i => 9600 + 960 * i)]);
        Directory.CreateDirectory(folder["noise"]);
        WavWriter.Write(folder["noise/n.wav"], Sounds.Noise(30000, 0.5, 99));
        options = new RunOptions
        {
            Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 6, Layers = 1 },
            Data = new() { BatchFrames = 300, Order = BatchOrder.Sortagrad, Augment = true, NoiseFolder = folder["noise"], TimeMasks = 1, TimeMaskWidth = 4 },
            Training = new() { Epochs = 3, TargetWer = -1, Lr = 1e-2 },
        };
    }

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase(1)]
    [TestCase(5)]
    [TestCase(9)]
    public void Resume_RepeatsTheAugmentationExactly(int stopAfter)
    {
        (TrainingResult whole, RecordingObserver all) = Train(options, "whole");
        (TrainingResult first, RecordingObserver before) = Train(options, "parts", stopAfter);
        Assert.That(first.Interrupted, Is.True);
        (TrainingResult second, RecordingObserver after) = Train(options, "parts", resume: first.Checkpoint);
        Assert.That(all.Batches, Has.Count.GreaterThan(10));
        Assert.That(before.Batches.Concat(after.Batches).Select(report => report.Loss), Is.EqualTo(all.Batches.Select(report => report.Loss)));
        Assert.That(TensorsOf(second.Checkpoint), Is.EqualTo(TensorsOf(whole.Checkpoint)));
    }

    /// <summary>Batches drawn anew, features warped and made noisy, units dropped, a rate that falls batch by batch: all go by seed, epoch, utterance or step.</summary>
    [TestCase(1)]
    [TestCase(8)]
    public void Resume_RepeatsFeatureChangesDropoutAndBucketsExactly(int stopAfter)
    {
        options = options with
        {
            Data = options.Data with { Augment = false, NoiseFolder = "", BatchFrames = 0, Batch = 2, Order = BatchOrder.Bucketed, Tempo = 0.1, Warp = 0.1, Formants = 0.1, Noise = 0.5, Reverb = 0.5 },
            Training = options.Training with { Schedule = LearningRateKind.Cosine, Dropout = 0.2, Optimizer = OptimizerKind.AdamW, Beta2 = 0.98 },
        };
        Resume_RepeatsTheAugmentationExactly(stopAfter);
    }

    /// <summary>Most utterances of an epoch get neither noise nor reverberation here: they must come out of the memory of features as they went in.</summary>
    [Test]
    public void Resume_RepeatsRoomsOfSomeUtterancesExactly()
    {
        options = options with { Data = options.Data with { Augment = false, NoiseFolder = "", Noise = 0.3, Reverb = 0.2 } };
        Resume_RepeatsTheAugmentationExactly(9);
    }

    [Test]
    public void Run_FeatureChangesAndDropout_DifferInEveryEpoch()
    {
        RunOptions still = options with { Data = new() { Batch = 4 }, Training = options.Training with { Lr = 0 } };
        int Distinct(RunOptions changed) => Train(changed, Guid.NewGuid().ToString()).Observer.Epochs.Select(epoch => epoch.Loss).Distinct().Count();
        Assert.That(Distinct(still), Is.EqualTo(1));
        Assert.That(Distinct(still with { Data = still.Data with { Tempo = 0.1 } }), Is.EqualTo(3));
        Assert.That(Distinct(still with { Data = still.Data with { Warp = 0.1 } }), Is.EqualTo(3));
        Assert.That(Distinct(still with { Data = still.Data with { Formants = 0.1 } }), Is.EqualTo(3));
        Assert.That(Distinct(still with { Data = still.Data with { Noise = 1 } }), Is.EqualTo(3));
        Assert.That(Distinct(still with { Data = still.Data with { Reverb = 1 } }), Is.EqualTo(3));
        Assert.That(Distinct(still with { Training = still.Training with { Dropout = 0.1 } }), Is.EqualTo(3));
    }

    [Test]
    public void Run_EveryEpochAndEveryOptionHearsOtherAudio()
    {
        // With a step size of 0 the same audio would have the same losses in every epoch.
        RunOptions still = options with { Data = options.Data with { Order = BatchOrder.Sorted, TimeMasks = 0 }, Training = options.Training with { Lr = 0 } };
        double[] Losses(RunOptions changed) => [.. Train(changed, Guid.NewGuid().ToString()).Observer.Epochs.Select(epoch => epoch.Loss)];
        Assert.That(Losses(still with { Data = still.Data with { Augment = false, NoiseFolder = "" } }).Distinct().Count(), Is.EqualTo(1));
        foreach (RunOptions changed in new[] { still, still with { Data = still.Data with { NoiseFolder = "" } }, still with { Data = still.Data with { Augment = false } } })
            Assert.That(Losses(changed).Distinct().Count(), Is.EqualTo(3));
    }

    private static Dictionary<string, float[]> TensorsOf(string checkpoint)
    {
        using var file = SafetensorsFile.Open(checkpoint);
        return file.Header.Tensors.ToDictionary(tensor => tensor.Name, tensor => file.Read<float>(tensor.Name));
    }

    private (TrainingResult Result, RecordingObserver Observer) Train(RunOptions run, string name, int? stopAfter = null, string? resume = null)
    {
        using IEngine engine = EngineFactory.Create(new DeviceChoice(DeviceKind.Host), threads: 1);
        var corpus = Corpus.Load(folder["manifest.csv"], Alphabet.English);
        using var model = new DeepSpeech2(run.Model.ArchitectureFor(Alphabet.English), engine, run.Training.Seed);
        using var training = new BatchLoader(corpus, new FeatureExtractor(run.Model.Features), run.Data.Batch, run.Data.Order, run.Training.Seed, augment: run.Data.Masks)
        {
            BatchFrames = run.Data.BatchFrames,
            Audio = run.Data.OpenAudioAugment(),
            FeatureAugment = run.Data.FeatureAugment,
        };
        using var validation = new BatchLoader(corpus, new FeatureExtractor(run.Model.Features), run.Data.Batch, BatchOrder.Sorted, run.Training.Seed);
        using var observer = new RecordingObserver(stopAfter);
        using Checkpoint? checkpoint = resume is null ? null : Checkpoint.Open(resume);
        using var trainer = new Trainer(run, model, new ModelDescription(run.Model, Alphabet.English), training, validation, new CheckpointPolicy(folder[name], TimeSpan.Zero), observer, resume: checkpoint);
        return (trainer.Run(observer.Stop), observer);
    }
}
