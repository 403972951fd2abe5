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
        using DeepSpeech2 model = start.CreateModel(options, engine);
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

        (int evaluated, string rates, _) = Run(["evaluate", "--checkpoint", pure, "--manifest", corpus.Manifest, "--device", "host"]);
        (_, string expected, _) = Run(["evaluate", "--checkpoint", Old, "--manifest", corpus.Manifest, "--device", "host"]);
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

    private static JsonElement[] Events(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private static (int Code, string Output, string Error) Run(string[] arguments) => Program.Run([.. arguments, "--json"]);

    private (int Code, string Output, string Error) Tune(string folder, params string[] more) => Run(
        ["train", "--train-manifest", corpus.Manifest, "--val-manifest", corpus.Manifest, "--out", corpus.PathOf(folder), "--device", "host", "--threads", "1", .. more]);
}
