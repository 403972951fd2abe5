using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime.Training;
using Ds2.Tests.Reporting;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary>Runs that go on from a checkpoint: with which options, from where, and what is said of it.</summary>
[NonParallelizable]
public sealed class ResumeTests
{
    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    private string Latest => corpus.PathOf("run/latest.safetensors");

    private string Best => corpus.PathOf("run/best.safetensors");

    [TestCase("layers", "1", "2")]
    [TestCase("channels", "2", "3")]
    [TestCase("hidden", "6", "7")]
    [TestCase("bidirectional", "false", "true")]
    [TestCase("rnnBatchNorm", "false", "true")]
    [TestCase("features", "\"mfcc-raw\"", "\"mfcc\"")]
    [TestCase("optimizer", "\"sgd\"", "\"adamw\"")]
    public void Resume_WhatShapesTheModelIsOther_NamesBothValuesAndTouchesNothing(string option, string old, string other)
    {
        Train("run", "--epochs", "1");
        Dictionary<string, byte[]> before = FilesOf("run");
        (int code, string output, string error) = Resume("run", "--resume", "auto", "--epochs", "2", "--set", $"{option}={other.Trim('"')}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain(Latest).And.Contain($"{option}={old}").And.Contain($"not {other}"));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
            Assert.That(output, Is.Empty);
            Assert.That(FilesOf("run"), Is.EqualTo(before));
        });
    }

    /// <summary>The same by a file of parameters, for a run of two directions that would lose one.</summary>
    [Test]
    public void Resume_FewerByParameterFile_IsRefused()
    {
        Train("run", "--epochs", "1", "--set", "bidirectional=true", "--set", "layers=2");
        File.WriteAllText(corpus.PathOf("p.json"), """{"bidirectional": false, "layers": 1}""");
        (int code, _, string error) = Resume("run", "--resume", "auto", "--epochs", "2", "--params", corpus.PathOf("p.json"));
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("layers=2, not 1"));
    }

    [Test]
    public void ResumeAuto_WithAPreset_KeepsEarlierSettingsAndSaysSo()
    {
        Train("run", "--epochs", "1", "--set", "momentum=0.5");
        (int code, string output, string error) = Resume("run", "--preset", "mlperf", "--resume", "auto", "--epochs", "2");
        JsonElement options = Events(output)[0].GetProperty("options");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero);
            Assert.That((options.GetProperty("hidden").GetInt32(), options.GetProperty("momentum").GetDouble()), Is.EqualTo((6, 0.5)));
            Assert.That(error, Does.Contain("a resumed run keeps its own options; those that are not mlperf's: ").And.Contain("hidden=6").And.Contain("momentum=0.5"));
        });
    }

    [Test]
    public void Resume_WhatMayChange_IsSaidOnceWithOldAndNew()
    {
        Train("run", "--epochs", "1");
        (int code, string output, string error) = Resume("run", "--resume", "auto", "--epochs", "2", "--target-wer", "3", "--set", "lr=0.5");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero);
            Assert.That(error.Split('\n').Count(line => line.Contains("->")), Is.EqualTo(1));
            Assert.That(error, Does.Contain("epochs 1 -> 2").And.Contain("targetWer -1 -> 3").And.Contain("-> 0.5"));
            Assert.That(Events(output)[0].GetProperty("options").GetProperty("lr").GetDouble(), Is.EqualTo(0.5));
        });
    }

    /// <summary>The epoch's lines of before are gone, also where the run is cut once more.</summary>
    [Test]
    public void Resume_EpochStartsAgain_MetricsHaveEachBatchOnce()
    {
        byte[] sound = Break(5);
        (int cut, _, _) = Program.Run([.. corpus.TrainArguments("run"), "--target-wer", "-1", "--epochs", "1", "--json"]);
        Assert.That((cut, Batches()), Is.EqualTo((2, new[] { 1, 2 })));
        (int again, _, string error) = Resume("run", "--resume", "auto", "--set", "batch=1");
        Assert.That((again, Batches()), Is.EqualTo((2, new[] { 1, 2, 3, 4, 5 })));
        Assert.That(error, Does.Contain("epoch 1 starts again: 2 batches"));
        File.WriteAllBytes(corpus.PathOf("5.npy"), sound);
        (int code, _, error) = Resume("run", "--resume", "auto");
        Assert.That((code, Batches()), Is.EqualTo((0, new[] { 1, 2, 3, 4, 5, 6, 7 })), error);
        JsonObject[] lines = MetricsLines.Read(corpus.PathOf("run/metrics.jsonl"));
        Assert.That(lines.Where(line => line["event"]!.GetValue<string>() == "batch").Sum(line => line["audioSeconds"]!.GetValue<double>()), Is.EqualTo(5.67).Within(1e-6));

        int[] Batches() => [.. MetricsLines.Read(corpus.PathOf("run/metrics.jsonl")).Where(line => line["event"]!.GetValue<string>() == "batch").Select(line => line["batch"]!.GetValue<int>())];
    }

    [Test]
    public void Resume_WithItsOwnOptions_SaysNothing()
    {
        Train("run", "--epochs", "1");
        (int code, _, string error) = Resume("run", "--resume", "auto");
        Assert.That((code, error.Split('\n').Any(line => line.Contains("->") || line.Contains("options"))), Is.EqualTo((0, false)), error);
    }

    /// <summary>What a kill finds in the folder before the first batch is the state that the run has gone back to.</summary>
    [Test]
    public void ResumeBest_KilledBeforeTheFirstSave_AutoGoesOnFromBest()
    {
        using var runs = new TrainingRuns(corpus);
        RunOptions options = TrainingRuns.Tiny with { Training = TrainingRuns.Tiny.Training with { Epochs = 3 } };
        using var first = new RecordingObserver();
        runs.Run(options, corpus.PathOf("run"), first);
        string best = corpus.PathOf("run/epoch1.safetensors");
        using (var other = new RecordingObserver())
            runs.Run(options with { Training = options.Training with { Epochs = 1 } }, corpus.PathOf("one"), other);
        File.Copy(corpus.PathOf("one/latest.safetensors"), Best, overwrite: true);
        File.Copy(Best, best);

        var killed = new CopyAtStart(corpus.PathOf("run"), corpus.PathOf("killed"));
        TrainingResult whole = runs.Run(options, corpus.PathOf("run"), killed, Best);
        string left = corpus.PathOf("killed/latest.safetensors");
        Assert.That(TrainingRuns.TensorsOf(left), Is.EqualTo(TrainingRuns.TensorsOf(best)));
        using var observer = new RecordingObserver();
        TrainingResult resumed = runs.Run(options, corpus.PathOf("killed"), observer, left);
        Assert.That(observer.Batches[0].Epoch, Is.EqualTo(1));
        Assert.That(TrainingRuns.TensorsOf(resumed.Checkpoint), Is.EqualTo(TrainingRuns.TensorsOf(whole.Checkpoint)));
    }

    /// <summary>The best of the epochs that are given up would pass for the best of those that come.</summary>
    [Test]
    public void ResumeEpoch_BestOfTheEpochsGivenUp_IsSetAside()
    {
        Train("run", "--epochs", "2", "--keep", "2");
        Train("other", "--epochs", "3", "--seed", "7");
        byte[] givenUp = File.ReadAllBytes(corpus.PathOf("other/best.safetensors"));
        File.WriteAllBytes(Best, givenUp);
        (int code, _, string error) = Resume("run", "--resume", corpus.PathOf("run/epoch-0001.safetensors"), "--epochs", "2", "--keep", "2");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain($"{Best} is of epochs that this run does not go on from"));
        Assert.That(File.ReadAllBytes(corpus.PathOf("run/best-abandoned.safetensors")), Is.EqualTo(givenUp));
        Assert.That(File.ReadAllBytes(Best), Is.Not.EqualTo(givenUp));

        File.Delete(corpus.PathOf("run/best-abandoned.safetensors"));
        (code, _, error) = Resume("run", "--resume", corpus.PathOf("run/epoch-0002.safetensors"), "--epochs", "2");
        Assert.That((code, File.Exists(corpus.PathOf("run/best-abandoned.safetensors"))), Is.EqualTo((0, false)), "its own best stays " + error);
    }

    /// <summary>Among the run's own epochs to come, a later resume from one would be back on the line that was left.</summary>
    [Test]
    public void ResumeEpoch_EpochsGivenUp_AreSetAside()
    {
        Train("run", "--epochs", "3", "--keep", "3");
        byte[] givenUp = File.ReadAllBytes(corpus.PathOf("run/epoch-0003.safetensors"));
        (int code, _, string error) = Resume("run", "--resume", corpus.PathOf("run/epoch-0001.safetensors"), "--epochs", "2", "--keep", "3", "--set", "lr=0.01");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("epoch-0002.safetensors is epoch-0002-abandoned.safetensors now, epoch-0003.safetensors is epoch-0003-abandoned.safetensors now"));
        Assert.That(Directory.GetFiles(corpus.PathOf("run"), "epoch-*").Select(Path.GetFileName).Order(StringComparer.Ordinal), Is.EqualTo(new[]
        {
            "epoch-0001.safetensors", "epoch-0002-abandoned.safetensors", "epoch-0002.safetensors", "epoch-0003-abandoned.safetensors",
        }));
        Assert.That(File.ReadAllBytes(corpus.PathOf("run/epoch-0003-abandoned.safetensors")), Is.EqualTo(givenUp));
        (code, _, error) = Resume("run", "--resume", "auto", "--epochs", "3", "--keep", "3");
        Assert.That((code, error.Contains("abandoned", StringComparison.Ordinal)), Is.EqualTo((0, false)), error);
    }

    /// <summary>Two lines are left one after the other, and the first is gone on with again: of each line every checkpoint stays, and those beside the run's own are its own.</summary>
    [Test]
    public void ResumeAbandonedEpoch_EpochsOfTheLineThatIsLeft_AreSetAside()
    {
        Train("run", "--epochs", "3", "--keep", "5");
        byte[] first = File.ReadAllBytes(corpus.PathOf("run/epoch-0003.safetensors"));
        Assert.That(Resume("run", "--resume", corpus.PathOf("run/epoch-0001.safetensors"), "--epochs", "4", "--keep", "5", "--set", "lr=0.01").Code, Is.Zero);
        Dictionary<string, byte[]> second = Enumerable.Range(2, 3).ToDictionary(epoch => $"epoch-000{epoch}", epoch => File.ReadAllBytes(corpus.PathOf($"run/epoch-000{epoch}.safetensors")));
        (int code, _, string error) = Resume("run", "--resume", corpus.PathOf("run/epoch-0003-abandoned.safetensors"), "--epochs", "5", "--keep", "2");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("epoch-0002.safetensors is epoch-0002-abandoned-2.safetensors now").And.Contain("epoch-0004.safetensors is epoch-0004-abandoned.safetensors now"));
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllBytes(corpus.PathOf("run/epoch-0003-abandoned.safetensors")), Is.EqualTo(first));
            foreach ((string name, string aside) in new[] { ("epoch-0002", "-2"), ("epoch-0003", "-2"), ("epoch-0004", "") })
                Assert.That(File.ReadAllBytes(corpus.PathOf($"run/{name}-abandoned{aside}.safetensors")), Is.EqualTo(second[name]), name);
            Assert.That(Directory.GetFiles(corpus.PathOf("run"), "epoch-000?.safetensors").Select(Path.GetFileName).Order(StringComparer.Ordinal), Is.EqualTo(new[] { "epoch-0004.safetensors", "epoch-0005.safetensors" }));
        });
    }

    /// <summary>Every text is left at 100 % in these runs, so that the first epoch is the best of each.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void ResumeEpoch_BestSetAside_TakesTheOneThatWasKept_OrSaysThatThereIsNone(bool kept)
    {
        Train("run", "--epochs", "2", "--keep", "2", "--set", "lr=0");
        Train("other", "--epochs", "1", "--seed", "7");
        byte[] first = File.ReadAllBytes(corpus.PathOf("run/epoch-0001.safetensors"));
        if (!kept)
            File.Delete(corpus.PathOf("run/epoch-0001.safetensors"));
        foreach (string aside in new[] { "best-abandoned", "best-abandoned-2" })
        {
            File.Copy(corpus.PathOf("other/best.safetensors"), Best, overwrite: true);
            (int code, string output, string error) = Program.Run("train", "--out", corpus.PathOf("run"), "--device", "host", "--resume", corpus.PathOf("run/epoch-0002.safetensors"), "--epochs", "3", "--keep", "3");
            Assert.That(code, Is.Zero, error);
            Assert.That(File.ReadAllBytes(corpus.PathOf($"run/{aside}.safetensors")), Is.EqualTo(File.ReadAllBytes(corpus.PathOf("other/best.safetensors"))));
            Assert.That(error.Contains($"{Best} is not there, and the checkpoint of epoch 1", StringComparison.Ordinal), Is.EqualTo(!kept), error);
            Assert.That(File.Exists(Best), Is.EqualTo(kept));
            if (kept)
                Assert.That(File.ReadAllBytes(Best), Is.EqualTo(first));
            Assert.That(output, Does.Contain($"--checkpoint {(kept ? Best : Latest)} recording.wav"));
        }
    }

    /// <summary>A checkpoint that was copied out of its run's folder does not say on what it was trained.</summary>
    [Test]
    public void Resume_WithoutManifestsOrAnAccountOfThem_SaysThatItTrainsOnTheBuiltInCorpus()
    {
        Train("run", "--epochs", "1");
        Directory.CreateDirectory(corpus.PathOf("copy"));
        File.Copy(Latest, corpus.PathOf("copy/latest.safetensors"));
        (int code, _, string error) = Program.Run("train", "--out", corpus.PathOf("copy"), "--device", "host", "--resume", "auto", "--epochs", "1");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain($"{corpus.PathOf("copy")} does not say what the run was trained on, and no manifests are named: trains on the built-in corpus"));
    }

    [Test]
    public void ResumeAuto_LatestGone_GoesOnFromBestAndSaysSo()
    {
        Train("run", "--epochs", "1");
        File.Delete(Latest);
        byte[] best = File.ReadAllBytes(Best);
        (int refused, _, string reason) = Program.Run([.. corpus.TrainArguments("run"), "--epochs", "2", "--json"]);
        Assert.That((refused, File.Exists(Latest)), Is.EqualTo((2, false)));
        Assert.That(reason, Does.Contain("holds a run already").And.Contain("--resume auto"));
        Assert.That(File.ReadAllBytes(Best), Is.EqualTo(best));

        (int code, string output, string error) = Resume("run", "--resume", "auto", "--epochs", "2");
        Assert.That(code, Is.Zero);
        Assert.That(error, Does.Contain($"{Latest} is gone: going on from {Best}"));
        Assert.That(Events(output)[1].GetProperty("epoch").GetInt32(), Is.EqualTo(2));
    }

    /// <summary>As its options, a resumed run keeps its corpora: it used to go on with the built-in one.</summary>
    [Test]
    public void Resume_WithoutManifests_GoesOnWithItsOwn()
    {
        Train("run", "--epochs", "1");
        (int code, string output, string error) = Program.Run("train", "--out", corpus.PathOf("run"), "--device", "host", "--json", "--resume", "auto", "--epochs", "2");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain($"goes on with its own manifests: {corpus.Manifest}, {corpus.Manifest}"));
        Assert.That(Events(output)[0].GetProperty("trainUtterances").GetInt32(), Is.EqualTo(File.ReadAllLines(corpus.Manifest).Length));
        foreach (string damaged in new[] { "[{", "{}", "null", "[null]", """[{ "trainManifest": 3, "valManifest": "a" }]""" })
        {
            File.WriteAllText(corpus.PathOf("run/environment.json"), damaged);
            (code, _, error) = Program.Run("train", "--out", corpus.PathOf("run"), "--device", "host", "--resume", "auto", "--epochs", "3");
            Assert.That(code, Is.EqualTo(2), $"{damaged}: {error}");
            Assert.That(error.Trim().Split('\n')[^1], Does.Contain("environment.json").And.Contain("--train-manifest"), damaged);
        }
    }

    [Test]
    public void ResumeAuto_WithoutAFolder_IsRefused()
    {
        (int code, _, string error) = Program.Run("train", "--resume", "auto", "--train-manifest", corpus.Manifest, "--val-manifest", corpus.Manifest);
        Assert.That((code, error.Trim()), Is.EqualTo((2, "ds2: --resume auto goes on with the run in --out: name its folder")));
    }

    /// <summary>What a new run would replace is a finished run's, or the user's own; what it may replace is what a run left that never came to its first epoch's end.</summary>
    [TestCase("metrics.jsonl", true)]
    [TestCase("options.json", true)]
    [TestCase("errors/worst.tsv", true)]
    [TestCase("left-out.tsv", true)]
    [TestCase("notes.txt", false)]
    public void Train_IntoAFolderWithFilesOfItsNames_IsRefused(string name, bool refused)
    {
        string path = corpus.PathOf($"run/{name}"), kept = corpus.PathOf("run/tensorboard/mine/x");
        string[] lines = ["""{"event":"batch","epoch":1}""", """{"event":"epoch","epoch":1}"""];
        foreach (string file in new[] { path, kept })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllLines(file, lines);
        }

        (int code, _, string error) = Program.Run([.. corpus.TrainArguments("run"), "--epochs", "1", "--json", "--tensorboard"]);
        Assert.That(code, Is.EqualTo(refused ? 2 : 0), error);
        if (refused)
        {
            Assert.That(error, Does.Contain(path).And.Contain("name another --out"));
            // Once there is no epoch in the metrics, the run is one that may begin again.
            File.WriteAllLines(corpus.PathOf("run/metrics.jsonl"), lines[..1]);
            Assert.That(Program.Run([.. corpus.TrainArguments("run"), "--epochs", "1", "--json", "--tensorboard"]).Code, Is.Zero);
        }

        Assert.That(kept, Does.Exist);
    }

    private static JsonElement[] Events(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private (int Code, string Output, string Error) Resume(string folder, params string[] more) => Program.Run(
        ["train", "--train-manifest", corpus.Manifest, "--val-manifest", corpus.Manifest, "--out", corpus.PathOf(folder), "--device", "host", "--json", .. more]);

    private void Train(string folder, params string[] more)
    {
        (int code, _, string error) = Program.Run([.. corpus.TrainArguments(folder), "--set", "optimizer=sgd", "--preset", "mlperf", "--target-wer", "-1", "--json", .. more]);
        Assert.That(code, Is.Zero, error);
    }

    /// <summary>All of a run's files but its lock, which tells of each start.</summary>
    private Dictionary<string, byte[]> FilesOf(string folder) => Directory.EnumerateFiles(corpus.PathOf(folder), "*", SearchOption.AllDirectories)
        .Where(path => !path.EndsWith(".lock", StringComparison.Ordinal)).ToDictionary(path => path, File.ReadAllBytes);

    /// <summary>Makes an utterance's last number a NaN, which is found when it is read for its batch.</summary>
    private byte[] Break(int utterance)
    {
        string path = corpus.PathOf($"{utterance}.npy");
        byte[] sound = File.ReadAllBytes(path);
        File.WriteAllBytes(path, [.. sound[..^4], .. BitConverter.GetBytes(float.NaN)]);
        return sound;
    }

    private sealed class CopyAtStart(string folder, string copy) : ITrainingObserver
    {
        public void OnEpochStart(int epoch, int batch)
        {
            if (Directory.Exists(copy))
                return;
            Directory.CreateDirectory(copy);
            foreach (string path in Directory.EnumerateFiles(folder))
                File.Copy(path, Path.Combine(copy, Path.GetFileName(path)));
        }
    }
}
