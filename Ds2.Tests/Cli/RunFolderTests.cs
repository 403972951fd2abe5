using System.Text.Json.Nodes;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary>What a training run leaves in its folder.</summary>
[NonParallelizable]
public sealed class RunFolderTests
{
    /// <summary>What a run computes is the same each time; how long it takes is not.</summary>
    private static readonly string[] Times = ["seconds", "loadSeconds", "computeSeconds", "evaluationSeconds", "audioSecondsPerSecond"];

    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    [Test]
    public void Train_LeavesAFolderThatExplainsItself()
    {
        Train("run", "--epochs", "3", "--keep", "2");
        string[] files = [.. Directory.GetFiles(corpus.PathOf("run")).Select(path => Path.GetFileName(path)).Order()];
        Assert.That(files, Is.EqualTo(new[]
        {
            "best.safetensors", "environment.json", "epoch-0002.safetensors", "epoch-0003.safetensors", "latest.safetensors", "metrics.jsonl",
            "options.json", "report.html", "transcripts.tsv",
        }));
        Assert.That(
            File.ReadAllBytes(corpus.PathOf("run/epoch-0003.safetensors")), Is.EqualTo(File.ReadAllBytes(corpus.PathOf("run/latest.safetensors"))));
    }

    [Test]
    public void Environment_SaysOnWhatTheRunWasStarted_AtEveryStart()
    {
        Train("run", "--epochs", "1");
        Train("run", "--epochs", "2", "--resume", "auto");
        JsonNode[] starts = [.. JsonNode.Parse(File.ReadAllText(corpus.PathOf("run/environment.json")))!.AsArray().Select(start => start!)];
        Assert.Multiple(() =>
        {
            Assert.That(starts, Has.Length.EqualTo(2));
            Assert.That((string?)starts[0]["device"], Does.StartWith("host (1 thread,"));
            Assert.That((string?)starts[0]["runtime"], Does.StartWith(".NET 10"));
            Assert.That((string?)starts[0]["cpu"], Is.Not.Empty);
            Assert.That((int)starts[0]["cores"]!, Is.EqualTo(Environment.ProcessorCount));
            Assert.That((string?)starts[0]["commit"], Does.Match("^([0-9a-f]{40}|unknown)$"));
            Assert.That((string?)starts[0]["packages"]!["ILGPU"], Does.Match(@"^\d+\.\d+"));
            Assert.That(starts[0]["resumedFrom"], Is.Null);
            Assert.That((string?)starts[1]["resumedFrom"], Does.EndWith("latest.safetensors: 1 epochs, 0 batches"));
        });
    }

    [Test]
    public void Metrics_HaveALineForEachBatchAndEpoch()
    {
        Train("run", "--epochs", "2");
        JsonObject[] lines = Metrics("run");
        Assert.Multiple(() =>
        {
            Assert.That(lines.Select(Place), Is.EqualTo(new[] { "1.1", "1.2", "1.3", "1.4", "1", "2.1", "2.2", "2.3", "2.4", "2" }));
            foreach (string name in new[] { "loss", "gradientNorm", "learningRate", "infeasible", "audioSecondsPerSecond", "loadSeconds", "computeSeconds" })
                Assert.That((double)lines[0][name]!, Is.GreaterThanOrEqualTo(0), name);
            foreach (string name in new[] { "loss", "wer", "werUtterance", "cer", "learningRate", "infeasible", "loadSeconds", "computeSeconds", "evaluationSeconds" })
                Assert.That((double)lines[4][name]!, Is.GreaterThanOrEqualTo(0), name);
            Assert.That((double)lines[0]["loadSeconds"]! + (double)lines[0]["computeSeconds"]!, Is.EqualTo((double)lines[0]["seconds"]!).Within(1e-9));
        });
    }

    /// <summary>A process that is killed after batches that no checkpoint holds, with half a line written: those are taken again, and each has one line.</summary>
    [Test]
    public void Metrics_KilledAndResumed_EqualThoseOfAWholeRun()
    {
        Train("whole", "--epochs", "3");
        Train("run", "--epochs", "1");
        string[] checkpoint = File.ReadAllLines(corpus.PathOf("run/metrics.jsonl"));
        string later = File.ReadLines(corpus.PathOf("whole/metrics.jsonl")).ElementAt(checkpoint.Length);
        File.AppendAllText(corpus.PathOf("run/metrics.jsonl"), later + "\n" + later[..(later.Length / 2)]);

        Train("run", "--epochs", "3", "--resume", "auto");
        Assert.That(WithoutTimes(Metrics("run")), Is.EqualTo(WithoutTimes(Metrics("whole"))));
        Assert.That(File.ReadLines(corpus.PathOf("run/metrics.jsonl")).Take(checkpoint.Length), Is.EqualTo(checkpoint), "what a checkpoint holds stays, times included");
    }

    /// <summary>Killed at any moment: the last line of an epoch may be missing where the checkpoint was written just before; its history has it.</summary>
    [Test]
    public void Metrics_KilledBeforeTheEpochsLine_HaveItAfterResuming()
    {
        Train("run", "--epochs", "2");
        string path = corpus.PathOf("run/metrics.jsonl");
        string[] lines = File.ReadAllLines(path);
        File.WriteAllLines(path, lines[..^1]);
        Train("run", "--epochs", "2", "--resume", "auto");
        Assert.That(File.ReadAllLines(path), Is.EqualTo(lines));
    }

    [Test]
    public void Metrics_ResumedInAnotherFolder_HoldTheWholeRun()
    {
        Train("run", "--epochs", "1");
        Train("other", "--epochs", "2", "--resume", corpus.PathOf("run/latest.safetensors"));
        Train("whole", "--epochs", "2");
        Assert.That(WithoutTimes(Metrics("other")), Is.EqualTo(WithoutTimes(Metrics("whole"))));
        Assert.That(Metrics("run"), Has.Length.EqualTo(5));
    }

    [Test]
    public void Metrics_DamagedEnvironment_IsNamedAndLeftAlone()
    {
        Train("run", "--epochs", "1");
        File.WriteAllText(corpus.PathOf("run/environment.json"), "[{");
        (int code, string error) = Start("run", "--epochs", "2", "--resume", "auto");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("environment.json").And.Contain("delete it"));
    }

    [Test]
    public void Transcripts_HaveEachUtterancesRate()
    {
        Train("run", "--epochs", "1");
        string[][] rows = [.. File.ReadLines(corpus.PathOf("run/transcripts.tsv")).Select(line => line.Split('\t'))];
        Assert.That(rows[0], Is.EqualTo(new[] { "id", "wer", "reference", "hypothesis" }));
        Assert.That(rows[1..].Select(row => row[0]), Is.EquivalentTo(Enumerable.Range(0, 7).Select(i => $"{i}")));
        double mean = rows[1..].Average(row => double.Parse(row[1]));
        Assert.That(mean, Is.EqualTo((double)Metrics("run")[^1]["werUtterance"]!).Within(0.01));
    }

    private static string Place(JsonObject line) => $"{line["epoch"]}" + (line.ContainsKey("batch") ? $".{line["batch"]}" : "");

    private static string[] WithoutTimes(JsonObject[] lines)
    {
        foreach (JsonObject line in lines)
            foreach (string time in Times)
                line.Remove(time);
        return [.. lines.Select(line => line.ToJsonString())];
    }

    private JsonObject[] Metrics(string folder) =>
        [.. File.ReadLines(corpus.PathOf($"{folder}/metrics.jsonl")).Select(line => JsonNode.Parse(line)!.AsObject())];

    private void Train(string folder, params string[] more)
    {
        (int code, string error) = Start(folder, more);
        Assert.That(code, Is.Zero, error);
    }

    private (int Code, string Error) Start(string folder, params string[] more)
    {
        (int code, _, string error) = Program.Run([.. corpus.TrainArguments(folder), "--target-wer", "-1", "--threads", "1", .. more]);
        return (code, error);
    }
}
