using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Runtime;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Data;

namespace Ds2.Tests.Model;

/// <summary>Models on disk, with a training run's state or without, and what is loaded from them.</summary>
public sealed class ModelFileTests
{
    private static readonly RunOptions Tiny = new() { Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 4, Layers = 2, Bidirectional = true, RnnBatchNorm = true } };

    private static readonly ModelDescription Description = new(Tiny.Model, new Alphabet(["_", "A", "B", " ", "Ä"]));

    private TempFolder folder = null!;
    private HostEngine engine = null!;
    private DeepSpeech2 model = null!;

    [SetUp]
    public void MakeModel()
    {
        folder = new TempFolder();
        engine = new HostEngine(threads: 1);
        model = new DeepSpeech2(Description.Architecture, engine, seed: 5);
        // Statistics that are not the initial ones, as a run has moved them.
        using ModelPass pass = model.NewPass();
        model.Parameters.BeginStep();
        using Tensor features = Features();
        pass.Forward(features, [60], training: true);
    }

    [TearDown]
    public void FreeModel()
    {
        model.Dispose();
        engine.Dispose();
        folder.Dispose();
    }

    [Test]
    public void Load_GivesWhatWasSaved()
    {
        ModelFile.Save(folder["model.safetensors"], Description, model);
        using var file = ModelFile.Open(folder["model.safetensors"]);
        using DeepSpeech2 loaded = file.Load(engine);
        Assert.Multiple(() =>
        {
            Assert.That(file.Description.Options, Is.EqualTo(Description.Options));
            Assert.That(file.Description.Alphabet.Labels, Is.EqualTo(Description.Alphabet.Labels));
            Assert.That(ValuesOf(loaded), Is.EqualTo(ValuesOf(model)));
        });
    }

    [Test]
    public void Load_WithAnotherPrecision_ReadsTheSameWeightsRounded()
    {
        ModelFile.Save(folder["model.safetensors"], Description, model);
        using var file = ModelFile.Open(folder["model.safetensors"]);
        using DeepSpeech2 exact = file.Load(engine), rounded = file.Load(engine, precision: RecurrentPrecision.Fp16);
        Assert.That(ValuesOf(rounded), Is.EqualTo(ValuesOf(exact)));
        float[] one = Logits(exact), other = Logits(rounded);
        Assert.That(other, Is.Not.EqualTo(one));
        Assert.That(other, Is.EqualTo(one).Within(Tolerances.HalfPrecisionLogits));

        float[] Logits(DeepSpeech2 loaded)
        {
            using ModelPass pass = loaded.NewPass();
            using Tensor features = Features();
            return pass.Forward(features, [60], training: false).Values.ToArray();
        }
    }

    [Test]
    public void Load_ForInference_HasNoGradients()
    {
        ModelFile.Save(folder["model.safetensors"], Description, model);
        using var file = ModelFile.Open(folder["model.safetensors"]);
        using DeepSpeech2 forInference = file.Load(engine), forTraining = file.Load(engine, trains: true);
        using ModelPass pass = forInference.NewPass();
        using Tensor features = Features();
        Assert.Multiple(() =>
        {
            Assert.That((forInference.Parameters.HasGradients, forTraining.Parameters.HasGradients), Is.EqualTo((false, true)));
            Assert.That(() => forInference.Parameters.Gradients, Throws.InvalidOperationException);
            Assert.That(() => forInference.Parameters.Parameters[0].Gradient, Throws.InvalidOperationException);
            Assert.That(() => pass.Forward(features, [60], training: true), Throws.InvalidOperationException.With.Message.Contains("inference"));
            Assert.That(() => pass.Forward(features, [60], training: false), Throws.Nothing);
        });
    }

    /// <summary>A name that is not known may decide what the numbers mean: the stride of an older or newer version's convolution, say.</summary>
    [Test]
    public void Description_WithWhatThisVersionDoesNotKnow_IsRefused()
    {
        string With(string more) => Description.ToJson()[..^1] + more + "}";
        Assert.That(ModelDescription.Parse(With(""), "m").Options, Is.EqualTo(Description.Options));
        Assert.That(ModelDescription.Parse(With(",\"secondStride\":1"), "m").Options, Is.EqualTo(Description.Options), "what models of all versions have");
        foreach (string more in new[] { "secondStride\":2", "dilation\":1" })
            Assert.That(() => ModelDescription.Parse(With(",\"" + more), "m.safetensors"), Throws.TypeOf<InputException>().With.Message.StartsWith("m.safetensors: has ").And.Message.Contains("does not know"));
    }

    /// <summary>The memory that a model without gradients takes is that of its parameters, not twice that.</summary>
    [Test]
    public void Load_ForInference_TakesHalfTheMemory()
    {
        var large = new ModelDescription(Tiny.Model with { Hidden = 1024, Layers = 1 }, Description.Alphabet);
        using (var made = new DeepSpeech2(large.Architecture, engine, seed: null, trains: false))
            ModelFile.Save(folder["model.safetensors"], large, made);
        using var file = ModelFile.Open(folder["model.safetensors"]);
        long forInference = Taken(trains: false), forTraining = Taken(trains: true);
        Assert.That(forInference / (double)forTraining, Is.EqualTo(0.5).Within(0.01), $"{forInference:N0} and {forTraining:N0} bytes");

        // What this thread has asked for. What the process has mapped would depend on what earlier tests gave back: the C library keeps some of it.
        long Taken(bool trains)
        {
            long before = HostMemory.AllocatedBytesForCurrentThread;
            using DeepSpeech2 loaded = file.Load(engine, trains);
            return HostMemory.AllocatedBytesForCurrentThread - before;
        }
    }

    [Test]
    public void Restore_TensorThatNobodyAsksFor_IsRefused()
    {
        ModelFile.Save(folder["model.safetensors"], Description, model);
        StoredModel.Copy(folder["model.safetensors"], folder["more.safetensors"], StoredModel.MetadataOf(folder["model.safetensors"]), "rnns.2.rnn.weight_ih_l0");
        using var file = ModelFile.Open(folder["more.safetensors"]);
        Assert.That(
            () => file.Load(engine),
            Throws.TypeOf<InputException>().With.Message.Contains("more.safetensors").And.Message.Contains("'rnns.2.rnn.weight_ih_l0'").And.Message.Contains("another model"));
    }

    /// <summary>The state of another optimiser, or of a layer that has gone.</summary>
    [Test]
    public void Restore_OptimiserStateThatNobodyAsksFor_IsRefused()
    {
        using var optimizer = Optimizer.Create(Tiny.Training, model.Parameters, model.Workspace);
        SaveCheckpoint(optimizer);
        StoredModel.Copy(folder["run.safetensors"], folder["more.safetensors"], StoredModel.MetadataOf(folder["run.safetensors"]), "optimizer.exp_avg.fc.0.module.1.weight");
        using var checkpoint = Checkpoint.Open(folder["more.safetensors"]);
        Assert.That(() => checkpoint.Restore(model, optimizer), Throws.TypeOf<InputException>().With.Message.Contains("'optimizer.exp_avg.fc.0.module.1.weight'"));
        Assert.That(() => checkpoint.Model.Load(engine).Dispose(), Throws.Nothing, "as a recognizer it is whole");
    }

    /// <summary>As versions before wrote it: the model's options among those of the run, no options of later versions, no alphabet, no plan of the epoch.</summary>
    [Test]
    public void Open_CheckpointOfFormat2_IsARunAndAModel()
    {
        using var english = new DeepSpeech2(Tiny.Model.ArchitectureFor(Alphabet.English), engine, seed: 5);
        using var optimizer = Optimizer.Create(Tiny.Training, english.Parameters, english.Workspace);
        optimizer.States[0].State.Fill(0.25f);
        Checkpoint.Save(folder["run.safetensors"], new ModelDescription(Tiny.Model, Alphabet.English), Tiny, new TrainingState(), english, optimizer);
        StoredModel.Copy(folder["run.safetensors"], folder["old.safetensors"], new Dictionary<string, string>
        {
            ["ds2.format"] = "ds2-checkpoint-2",
            ["ds2.options"] = """
                {"batch": 2, "batchFrames": 0, "maxSeconds": 0, "features": "mfcc-raw", "order": "shuffled", "augment": false, "noiseFolder": "", "noiseProbability": 0.4,
                 "noiseMax": 0.5, "timeMasks": 1, "timeMaskWidth": 20, "rowMasks": 0, "rowMaskWidth": 2, "channels": 2, "hidden": 4, "layers": 2, "bidirectional": true,
                 "rnnBatchNorm": true, "recurrentPrecision": "fp32", "epochs": 7, "targetWer": 5.5, "optimizer": "sgd", "lr": 0.01, "anneal": 1.1, "momentum": 0.9,
                 "weightDecay": 0, "maxNorm": 400, "onNonFinite": "skip", "seed": 3}
                """,
            ["ds2.state"] = """
                {"Epoch":1,"Batch":2,"Steps":6,"LossSum":3.5,"Infeasible":1,"SkippedSteps":0,"AudioSeconds":4,"EpochSeconds":1,"LoadSeconds":0.5,"TotalSeconds":9,"History":[
                {"Epoch":0,"Loss":"NaN","LearningRate":0.01,"Wer":98.5,"WerUtterance":97,"Cer":90,"Infeasible":0,"SkippedSteps":0,"Seconds":1,"LoadSeconds":0.1,
                "EvaluationSeconds":0.2,"AudioSecondsPerSecond":7}]}
                """,
        });

        using var checkpoint = Checkpoint.Open(folder["old.safetensors"]);
        using var file = ModelFile.Open(folder["old.safetensors"]);
        using DeepSpeech2 loaded = file.Load(engine), resumed = new(Tiny.Model.ArchitectureFor(Alphabet.English), engine, seed: null);
        using var restored = Optimizer.Create(Tiny.Training, resumed.Parameters, resumed.Workspace);
        checkpoint.Restore(resumed, restored);
        Assert.Multiple(() =>
        {
            Assert.That(file.Description.Options, Is.EqualTo(Tiny.Model));
            Assert.That(file.Description.Alphabet.Labels, Is.EqualTo(Alphabet.English.Labels));
            Assert.That(ValuesOf(loaded), Is.EqualTo(ValuesOf(english)));
            Assert.That(ValuesOf(resumed), Is.EqualTo(ValuesOf(english)));
            Assert.That(restored.States[0].State.ToArray(), Has.Some.EqualTo(0.25f));
            Assert.That((checkpoint.State.Epoch, checkpoint.State.Batch, checkpoint.State.Steps, checkpoint.State.Plan), Is.EqualTo((1, 2, 6, (string?)null)));
            Assert.That(checkpoint.State.History[0].Wer, Is.EqualTo(98.5));
            Assert.That((checkpoint.State.History[0].LossPerLabel, checkpoint.State.History[0].ValidationLoss, checkpoint.State.Labels), Is.EqualTo(((double?)null, (double?)null, 0L)), "what it could not know");
            Assert.That(checkpoint.Options, Is.EqualTo(new RunOptions
            {
                Model = Tiny.Model,
                Data = new() { Batch = 2, Order = Runtime.Data.Batching.BatchOrder.Shuffled, TimeMasks = 1 },
                Training = new() { Epochs = 7, TargetWer = 5.5, Lr = 0.01, OnNonFinite = NonFinitePolicy.Skip, Seed = 3 },
            }));
        });
    }

    [Test]
    public void Forward_TwoPassesOfOneModel_DoNotDisturbEachOther()
    {
        using ModelPass first = model.NewPass(), second = model.NewPass();
        using Tensor one = Features(), other = engine.Allocate(new Shape(2, 1, 13, 80));
        other.Fill(0.5f);
        float[] expected = Gradients(first, one, [60]);

        model.Parameters.BeginStep();
        Sequence logits = first.Forward(one, [60], training: true);
        float[] before = logits.Values.ToArray();
        second.Forward(other, [80, 70], training: false);
        Assert.That(logits.Values.ToArray(), Is.EqualTo(before), "the other pass has logits of its own");
        BackwardOf(first, logits);
        Assert.That(model.Parameters.Gradients.ToArray(), Is.EqualTo(expected), "and activations of its own");
    }

    private static float[][] ValuesOf(DeepSpeech2 model) =>
        [.. model.Parameters.Parameters.Select(parameter => parameter.Values.ToArray()), .. model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray())];

    /// <summary>Bytes of memory that this process has mapped: the host engine's tensors are mappings.</summary>
    private float[] Gradients(ModelPass pass, Tensor features, int[] frames)
    {
        model.Parameters.BeginStep();
        BackwardOf(pass, pass.Forward(features, frames, training: true));
        return model.Parameters.Gradients.ToArray();
    }

    private void BackwardOf(ModelPass pass, Sequence logits)
    {
        using Tensor gradient = engine.Allocate(logits.Values.Shape);
        gradient.Fill(0.125f);
        pass.Backward(gradient);
    }

    private Tensor Features()
    {
        Tensor features = engine.Allocate(new Shape(1, 1, 13, 60));
        var random = new Random(3);
        features.CopyFrom([.. Enumerable.Range(0, features.Length).Select(_ => (float)(2 * random.NextDouble() - 1))]);
        return features;
    }

    private void SaveCheckpoint(Optimizer optimizer) => Checkpoint.Save(folder["run.safetensors"], Description, Tiny, new TrainingState(), model, optimizer);
}
