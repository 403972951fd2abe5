using System.Text.Json;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;
using Ds2.Runtime.Training;
using Ds2.Tests.Training;
using Ds2.Train.Commands;

namespace Ds2.Tests.Cli;

/// <summary>Fine-tuning: a run that begins with another's parameters, and with nothing else of it.</summary>
[NonParallelizable]
public sealed class InitTests
{
    private TinyCorpus corpus = null!;

    [SetUp]
    public void TrainARun()
    {
        corpus = new TinyCorpus();
        (int code, _, string error) = Run([.. corpus.TrainArguments("run"), "--epochs", "2", "--target-wer", "-1"]);
        Assert.That(code, Is.Zero, error);
    }

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    private string Old => corpus.PathOf("run/latest.safetensors");

    [Test]
    public void CreateModel_HasTheFilesParametersAndStatistics()
    {
        var notes = new List<string>();
        using RunStart start = RunStart.Find(null, Old, new CheckpointPolicy(corpus.PathOf("fine"), TimeSpan.Zero), notes.Add);
        RunOptions options = start.Basis(null, notes.Add);
        start.Compare(options, notes.Add);
        using var engine = new HostEngine(threads: 1);
        using DeepSpeech2 model = start.CreateModel(options, engine, notes.Add);
        Dictionary<string, float[]> expected = TrainingRuns.TensorsOf(Old);
        Assert.Multiple(() =>
        {
            foreach ((string name, Tensor values) in model.Parameters.Parameters.Select(p => (p.Name, p.Values)).Concat(model.Parameters.Statistics))
                Assert.That(values.ToArray(), Is.EqualTo(expected[name]), name);
            Assert.That((start.Resume, model.Parameters.HasGradients), Is.EqualTo(((Checkpoint?)null, true)));
            Assert.That(notes, Is.Empty);
        });
    }

    /// <summary>The target that the old run's history has reached, and its best epoch, are not this run's.</summary>
    [Test]
    public void Train_Init_BeginsAtEpochOneWithAHistoryOfItsOwn()
    {
        (int code, string output, string error) = Tune("fine", "--init", Old, "--epochs", "1", "--set", "lr=0", "--set", "batch=7");
        JsonElement[] events = Events(output);
        using var best = Checkpoint.Open(corpus.PathOf("fine/best.safetensors"));
        Dictionary<string, float[]> before = TrainingRuns.TensorsOf(Old), after = TrainingRuns.TensorsOf(corpus.PathOf("fine/latest.safetensors"));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(events[0].GetProperty("resumedEpoch").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(events[0].GetProperty("options").GetProperty("hidden").GetInt32(), Is.EqualTo(6), "the model's sizes are the file's");
            Assert.That(events[1].GetProperty("epoch").GetInt32(), Is.EqualTo(1));
            Assert.That((best.State.History.Count, best.State.Steps), Is.EqualTo((1, 1)));
            foreach (string name in before.Keys.Where(name => name.EndsWith("weight", StringComparison.Ordinal) && !name.StartsWith("optimizer.", StringComparison.Ordinal)))
                Assert.That(after[name], Is.EqualTo(before[name]), name);
        });
    }

    /// <summary>What is given means other speech, whose manifests may have been forgotten.</summary>
    [TestCase("--init")]
    [TestCase("--alphabet")]
    [TestCase("--preset")]
    public void Train_WithoutManifests_SaysThatItTrainsOnTheBuiltInCorpus(string option)
    {
        File.WriteAllText(corpus.PathOf("labels.txt"), "A\nB\nC\n");
        string value = option switch { "--init" => Old, "--alphabet" => corpus.PathOf("labels.txt"), _ => "cpu" };
        string[] model = option == "--init" ? [] : ["--set", "hidden=4", "--set", "channels=1", "--set", "layers=1"];
        (int code, _, string error) = Run(["train", option, value, "--out", corpus.PathOf("built-in"), "--epochs", "1", "--max-batches", "1", "--device", "host", .. model]);
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain($"{option} {value}").And.Contain("and no manifests are named: trains on the built-in corpus"));
    }

    /// <summary>The first step's gradient is all that the momentum holds: nothing of the old run's is left in it.</summary>
    [Test]
    public void Train_Init_HasAFreshOptimiser()
    {
        string[] once = ["--set", "optimizer=sgd", "--set", "batch=7", "--epochs", "1", "--set", "seed=1"];
        Tune("first", ["--init", Old, .. once]);
        using (ModelFile file = ModelFile.Open(Old))
        using (var engine = new HostEngine(threads: 1))
        using (DeepSpeech2 model = file.Load(engine))
            ModelFile.Save(corpus.PathOf("model.safetensors"), file.Description, model);
        Tune("second", ["--init", corpus.PathOf("model.safetensors"), .. once]);
        Assert.That(
            TrainingRuns.TensorsOf(corpus.PathOf("second/latest.safetensors")), Is.EqualTo(TrainingRuns.TensorsOf(corpus.PathOf("first/latest.safetensors"))),
            "a file without a run's state begins as one with it");
    }

    [Test]
    public void Train_InitAsAnotherArchitecture_NamesBothValues()
    {
        (int code, string output, string error) = Tune("fine", "--init", Old, "--set", "hidden=7");
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain(Old).And.Contain("hidden=6, not 7"));
        Assert.That(corpus.PathOf("fine/options.json"), Does.Not.Exist);
    }

    [Test]
    public void Train_InitWithAPreset_SaysWhatIsTheModels()
    {
        (int code, string output, string error) = Tune("fine", "--init", Old, "--preset", "ds2", "--epochs", "1");
        Assert.That(code, Is.Zero);
        Assert.That(error, Does.Contain("the model keeps its own options; those that are not ds2's: ").And.Contain("layers=1").And.Not.Contain("lr="));
        Assert.That(Events(output)[0].GetProperty("options").GetProperty("layers").GetInt32(), Is.EqualTo(1));
    }

    /// <summary>Labels that both alphabets have keep their rows; nothing else of the output layer does, and all else of the model does.</summary>
    [Test]
    public void Train_InitWithAnotherAlphabet_KeepsTheRowsThatBothHave()
    {
        string alphabet = Write("german.txt", "# German\n \n\u00c4\nB\nA\n");
        (int code, _, string error) = Tune("fine", "--init", Old, "--alphabet", alphabet, "--epochs", "1", "--set", "lr=0", "--set", "batch=7");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("4 of 5 labels keep their rows, 1 begin anew: \u00c4"));
        using var run = Checkpoint.Open(corpus.PathOf("fine/latest.safetensors"));
        Dictionary<string, float[]> before = TrainingRuns.TensorsOf(Old), after = TrainingRuns.TensorsOf(run.Path);
        const string output = "fc.0.module.1.weight", hidden = "rnns.0.rnn.weight_hh_l0";
        Assert.Multiple(() =>
        {
            Assert.That(run.Model.Description.Alphabet.Labels, Is.EqualTo(new[] { "_", " ", "\u00c4", "B", "A" }));
            Assert.That(after[hidden], Is.EqualTo(before[hidden]));
            foreach ((int now, int then) in new[] { (0, 0), (1, 28), (3, 3), (4, 2) })
                Assert.That(Row(after, now), Is.EqualTo(Row(before, then)), $"label {now}");
            Assert.That(Row(after, 2), Has.Some.Not.Zero);
        });
        (int resumed, _, string refused) = Tune("fine", "--resume", "auto", "--alphabet", Write("other.txt", "A\n"), "--epochs", "2");
        Assert.That((resumed, refused), Is.EqualTo((2, $"ds2: {run.Path}: was made with another alphabet: leave --alphabet out to go on with its own, or start a run of its own with --init{Environment.NewLine}")));

        static float[] Row(Dictionary<string, float[]> tensors, int label) => tensors[output][(6 * label)..(6 * label + 6)];
    }

    /// <summary>Decay and momentum move parameters without a gradient too, and forward passes move statistics: none of the frozen ones.</summary>
    [TestCase("conv", "conv.")]
    [TestCase("conv.0, rnns", "conv.0 conv.1 rnns.")]
    [TestCase("fc", "fc.")]
    public void Train_Freeze_LeavesLayersAsTheyAre(string freeze, string prefixes)
    {
        (int code, _, string error) = Tune("fine", "--init", Old, "--epochs", "2", "--set", $"freeze={freeze}", "--set", "optimizer=adamw", "--set", "weightDecay=0.1", "--set", "lr=0.01");
        Assert.That(code, Is.Zero, error);
        Dictionary<string, float[]> before = TrainingRuns.TensorsOf(Old), after = TrainingRuns.TensorsOf(corpus.PathOf("fine/latest.safetensors"));
        string[] frozen = prefixes.Split(' ');
        Assert.Multiple(() =>
        {
            foreach (string name in before.Keys.Where(name => !name.StartsWith("optimizer.", StringComparison.Ordinal)))
            {
                bool stays = frozen.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal));
                Assert.That(after[name], stays ? Is.EqualTo(before[name]) : Is.Not.EqualTo(before[name]), name);
            }
        });
    }

    [TestCase("rnns.7", "there is no layer 'rnns.7'; there are conv.0, conv.3, rnns.0, rnns.1, rnns.2, fc.0")]
    [TestCase("conv,rnns,fc", "no layer is left to train")]
    public void Train_FreezeWhatIsNotThere_IsOneLine(string freeze, string fault)
    {
        (int code, string output, string error) = Tune("fine", "--set", $"freeze={freeze}");
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain(fault));
    }

    /// <summary>The figures are found once: a run that goes on, and one that begins with the model, take those of the file.</summary>
    [Test]
    public void Train_NormalizedByTheCorpus_KeepsItsFigures()
    {
        string[] once = ["--set", "normalization=corpus", "--set", "lr=0.001"];
        (int code, _, string error) = Tune("corpus", [.. once, "--epochs", "1"]);
        Assert.That(code, Is.Zero, error);
        string file = corpus.PathOf("corpus/latest.safetensors");
        IReadOnlyList<float> means = Means(file);
        (int resumed, _, _) = Tune("corpus", ["--resume", "auto", "--epochs", "2"]);
        (int tuned, _, string why) = Tune("fine", ["--init", file, "--epochs", "1"]);
        (int evaluated, string rates, _) = Run(["evaluate", "--checkpoint", file, "--manifest", corpus.Manifest, "--device", "host"]);
        (int refused, _, string other) = Tune("again", ["--init", file, "--set", "normalization=utterance"]);
        Assert.Multiple(() =>
        {
            Assert.That((resumed, tuned, evaluated, refused), Is.EqualTo((0, 0, 0, 2)), why);
            Assert.That((means.Count, Means(file), Means(corpus.PathOf("fine/latest.safetensors"))), Is.EqualTo((13, means, means)));
            Assert.That(rates, Does.Contain("werUtterance"));
            Assert.That(other, Does.Contain("normalization"));
        });

        static IReadOnlyList<float> Means(string path)
        {
            using ModelFile file = ModelFile.Open(path);
            Assert.That(file.Description.Typical, Is.Not.Null);
            return file.Description.FeatureStatistics!.Means;
        }
    }

    [Test]
    public void Train_InitAndResumeAuto_GoesOnWithWhatItFinds()
    {
        string[] arguments = ["--init", Old, "--resume", "auto", "--set", "lr=0.001"];
        (_, string first, _) = Tune("fine", [.. arguments, "--epochs", "1"]);
        (int code, string second, _) = Tune("fine", [.. arguments, "--epochs", "2"]);
        Assert.That(code, Is.Zero);
        Assert.That(Events(first)[1].GetProperty("epoch").GetInt32(), Is.EqualTo(1));
        Assert.That(Events(second)[1].GetProperty("epoch").GetInt32(), Is.EqualTo(2));
    }

    [Test]
    public void Train_InitAndResumeFile_AreRefusedTogether()
    {
        (int code, _, string error) = Tune("fine", "--init", Old, "--resume", Old);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("--init").And.Contain("--resume"));
    }

    [Test]
    public void PureModel_ServesInitAndEvaluate_AndIsNoRunToResume()
    {
        string pure = corpus.PathOf("model.safetensors");
        using (ModelFile file = ModelFile.Open(Old))
        using (var engine = new HostEngine(threads: 1))
        using (DeepSpeech2 model = file.Load(engine))
            ModelFile.Save(pure, file.Description, model);
        using (var file = SafetensorsFile.Open(pure))
            Assert.That(file.Header.Tensors.Select(tensor => tensor.Name), Has.None.StartsWith("optimizer."));

        (int evaluated, string rates, _) = Run(["evaluate", "--checkpoint", pure, "--manifest", corpus.Manifest, "--lm", "none", "--device", "host"]);
        (_, string expected, _) = Run(["evaluate", "--checkpoint", Old, "--manifest", corpus.Manifest, "--lm", "none", "--device", "host"]);
        (int tuned, _, _) = Tune("fine", "--init", pure, "--epochs", "1");
        (int resumed, _, string error) = Tune("again", "--resume", pure);
        Assert.Multiple(() =>
        {
            Assert.That((evaluated, tuned, resumed), Is.EqualTo((0, 0, 2)));
            Assert.That(rates, Is.EqualTo(expected));
            Assert.That(error, Does.StartWith($"ds2: {pure}: ").And.Contain("--init"));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
        });
    }

    private string Write(string name, string text)
    {
        File.WriteAllText(corpus.PathOf(name), text);
        return corpus.PathOf(name);
    }

    private static JsonElement[] Events(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private static (int Code, string Output, string Error) Run(string[] arguments) => Program.Run([.. arguments, "--json"]);

    private (int Code, string Output, string Error) Tune(string folder, params string[] more) => Run(
        ["train", "--train-manifest", corpus.Manifest, "--val-manifest", corpus.Manifest, "--out", corpus.PathOf(folder), "--device", "host", "--threads", "1", .. more]);
}
