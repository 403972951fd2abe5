using System.Diagnostics;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary>Runs that meet each other in a folder, and runs whose output fails.</summary>
[NonParallelizable]
public sealed class RunFaultTests
{
    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>The first holds the folder until it is killed; the newcomer, resuming too, is refused before it touches anything.</summary>
    [TestCase("--json")]
    [TestCase("--resume", "auto", "--json")]
    public void Train_FolderInUse_IsRefused(params string[] more)
    {
        using Process first = Program.Start(Train("--epochs", "100000", "--json"));
        while (first.StandardOutput.ReadLine() is { } line && !line.Contains("\"event\":\"epoch\""))
            Assert.That(line, Does.StartWith("{"));
        (int code, string output, string error) = Program.Run(Train(more));
        Assert.That((code, output, error.Trim().Split('\n').Length), Is.EqualTo((2, "", 1)), error);
        Assert.That(error, Does.Contain("in use by").And.Contain(OperatingSystem.IsLinux() ? $"process {first.Id} on " : ""));
        first.Kill();
        first.WaitForExit();
        (code, _, error) = Program.Run(Train("--resume", "auto", "--epochs", "1", "--json"));
        Assert.That(code, Is.Zero, error);
    }

    [Test]
    public void Train_StdoutOnAFullDisk_TrainsAndSaysSoOnce()
    {
        (int code, string error) = WithStdoutFull(Train("--epochs", "2"));
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((0, 1)), error);
        Assert.That(error, Does.StartWith("ds2: stdout: No space left"));
        TinyCorpus.AssertLoads(corpus.PathOf("run/latest.safetensors"));
        Assert.That(WithStdoutFull(Train("--epochs", "3", "--resume", "auto", "--json")).Code, Is.Zero);
        (code, _) = WithStdoutFull("evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--device", "host");
        Assert.That(code, Is.EqualTo(1), "what evaluate prints is what it is for");
    }

    /// <summary>A folder has the file's name, so that it cannot be written.</summary>
    [TestCase("report.html")]
    [TestCase("transcripts.tsv")]
    [TestCase("options.json")]
    [TestCase("mlperf.log")]
    [TestCase("tensorboard")]
    [TestCase("errors")]
    [TestCase("words.lm")]
    public void Train_FileThatIsNoMetrics_CannotBeWritten_TrainsAndSaysSoOnce(string name)
    {
        Directory.CreateDirectory(corpus.PathOf("run"));
        if (name is "tensorboard" or "errors")
            File.WriteAllText(corpus.PathOf($"run/{name}"), "");
        else
            Directory.CreateDirectory(corpus.PathOf($"run/{name}"));
        (int code, string output, string error) = Program.Run(Train("--epochs", "2", "--mlperf-log", "--tensorboard", "--json"));
        Assert.That((code, error.Trim().Split('\n').Length), Is.EqualTo((0, 1)), error);
        Assert.That(error, Does.Contain(name).And.Contain("the run goes on"));
        Assert.That(output, Does.Contain("\"epochs\":2"));
    }

    /// <summary>As in training, what no memory has is found before the first batch, not with the longest one at the end.</summary>
    [Test]
    public void Evaluate_BatchBeyondAllMemory_IsOneLineBeforeTheFirst()
    {
        Assert.That(Program.Run(Train("--epochs", "1", "--json")).Code, Is.Zero);
        corpus.MakeFirstLong(40_000_000);
        (int code, string output, string error) = Program.Run(
            "evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--device", "host", "--batch", "8");
        Assert.That((code, output, error.Trim().Split('\n').Length), Is.EqualTo((2, "", 1)), error);
        Assert.That(error, Does.Contain("more than 2^31 elements").And.Contain("try --batch 3"));
    }

    private static (int Code, string Error) WithStdoutFull(params string[] arguments)
    {
        if (!File.Exists("/dev/full"))
            Assert.Ignore("needs /dev/full");
        using Process process = Program.StartBy(["sh", "-c", "exec \"$@\" >/dev/full", "sh"], arguments);
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }

    private string[] Train(params string[] more) => [.. corpus.TrainArguments("run"), "--target-wer", "-1", .. more];
}
