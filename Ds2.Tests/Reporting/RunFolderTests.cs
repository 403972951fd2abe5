using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Reporting;

/// <summary>What a training run leaves in its folder.</summary>
[NonParallelizable]
public sealed class RunFolderTests
{
    private TinyRun run = null!;

    [SetUp]
    public void MakeCorpus() => run = new TinyRun();

    [TearDown]
    public void DeleteCorpus() => run.Dispose();

    [Test]
    public void Train_LeavesAFolderThatExplainsItself()
    {
        run.Train("run", "--epochs", "3", "--keep", "2");
        string[] files = [.. Directory.GetFiles(run["run"]).Select(path => Path.GetFileName(path)).Order()];
        Assert.That(files, Is.EqualTo(new[]
        {
            "best.safetensors", "environment.json", "epoch-0002.safetensors", "epoch-0003.safetensors", "latest.safetensors", "metrics.jsonl",
            "options.json", "report.html", "run.lock", "transcripts.tsv", "words.lm",
        }));
        Assert.That(
            File.ReadAllBytes(run["run/epoch-0003.safetensors"]), Is.EqualTo(File.ReadAllBytes(run["run/latest.safetensors"])));
    }

    [Test]
    public void Environment_SaysOnWhatTheRunWasStarted_AtEveryStart()
    {
        run.Train("run", "--epochs", "1");
        run.Train("run", "--epochs", "2", "--resume", "auto");
        JsonNode[] starts = [.. JsonNode.Parse(File.ReadAllText(run["run/environment.json"]))!.AsArray().Select(start => start!)];
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

    /// <summary>What stderr has said scrolls away; whoever opens the report a day later reads it there.</summary>
    [Test]
    public void Notes_AreInEnvironmentReportAndJsonLines()
    {
        run.Train("run", "--epochs", "1");
        (int code, string output, string error) = Cli.Program.Run("train", "--out", run["run"], "--resume", "auto", "--epochs", "2", "--set", "lr=0.25", "--device", "host", "--json");
        Assert.That(code, Is.Zero, error);
        string[] said = [.. error.Split('\n').Where(line => line.StartsWith("ds2: goes on with ", StringComparison.Ordinal)).Select(line => line["ds2: ".Length..])];
        JsonArray starts = JsonNode.Parse(File.ReadAllText(run["run/environment.json"]))!.AsArray();
        JsonNode start = JsonNode.Parse(output.Split('\n')[0])!;
        string report = File.ReadAllText(run["run/report.html"]);
        Assert.Multiple(() =>
        {
            Assert.That(said, Has.Length.EqualTo(2).And.Some.Contain("lr").And.Some.Contain("own manifests"));
            Assert.That(Lines(starts[1]!["notes"]!), Is.SupersetOf(said));
            Assert.That(Lines(starts[0]!["notes"]!), Has.None.StartsWith("goes on"));
            Assert.That(Lines(start["notes"]!), Is.SupersetOf(said));
            foreach (string line in said)
                Assert.That(report, Does.Contain($"<li>{System.Net.WebUtility.HtmlEncode(line)}</li>"));
        });

        static string[] Lines(JsonNode notes) => [.. notes.AsArray().Select(note => (string)note!)];
    }

    /// <summary>What is noticed once the run has started: an event of its own, and in the report. Here that the best checkpoint is gone.</summary>
    [Test]
    public void Notes_OfTheRunItself_AreEventsAndStandInTheReport()
    {
        run.Train("run", "--epochs", "2");
        File.Delete(run["run/best.safetensors"]);
        (int code, string output, string error) = Cli.Program.Run([.. run.Corpus.TrainArguments("run"), "--resume", "auto", "--epochs", "3", "--target-wer", "-1", "--json"]);
        Assert.That(code, Is.Zero, error);
        JsonNode[] events = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
        string note = events.Where(line => (string?)line["event"] == "note").Select(line => (string)line["text"]!).Single(text => text.Contains("best.safetensors", StringComparison.Ordinal));
        Assert.Multiple(() =>
        {
            Assert.That((string?)events[0]["event"], Is.EqualTo("start"));
            Assert.That(error, Does.Contain($"ds2: {note}"));
            Assert.That(File.ReadAllText(run["run/report.html"]), Does.Contain($"<li>{System.Net.WebUtility.HtmlEncode(note)}</li>"));
        });
    }

    /// <summary>Where an utterance's words are its letters, its word error rate is that of them; a space in the text, which the model cannot write, is no error.</summary>
    [Test]
    public void Transcripts_AlphabetWithoutSpace_HaveTheRatesOfLabels()
    {
        var alphabet = new Alphabet(Alphabet.English.Labels.SkipLast(1));
        File.WriteAllText(run["labels.json"], JsonSerializer.Serialize(alphabet));
        run.Train("run", "--epochs", "1", "--alphabet", run["labels.json"]);
        JsonObject epoch = run.Metrics("run").Last(line => (string?)line["event"] == "epoch");
        Assert.That((double)epoch["wer"]!, Is.EqualTo((double)epoch["cer"]!));
        foreach (string[] line in File.ReadLines(run["run/transcripts.tsv"]).Skip(1).Select(line => line.Split('\t')))
        {
            string said = line[2].Replace(" ", "", StringComparison.Ordinal);
            double rate = 100.0 * ErrorRates.Distance<char>(said, line[3]) / said.Length;
            Assert.That(double.Parse(line[1], CultureInfo.InvariantCulture), Is.EqualTo(rate).Within(0.006), line[0]);
        }
    }

    /// <summary>A start that is killed where the old metrics are gone and the new ones not there yet would leave options alone, and the folder would be refused from then on. A file that is deleted in between would not be a link any more.</summary>
    [Test]
    public void Metrics_RunThatBeginsAgain_HasAFileAtEveryMoment()
    {
        if (OperatingSystem.IsWindows())
            Assert.Ignore("links take privileges on Windows");
        Directory.CreateDirectory(run["run"]);
        File.WriteAllText(run["elsewhere"], "{\"event\":\"batch\"}\n");
        File.CreateSymbolicLink(run["run/metrics.jsonl"], run["elsewhere"]);
        run.Train("run", "--epochs", "1");
        Assert.That(File.ResolveLinkTarget(run["run/metrics.jsonl"], returnFinalTarget: false)?.FullName, Is.EqualTo(run["elsewhere"]));
        Assert.That(run.Metrics("run"), Has.Length.EqualTo(5));
    }

    [Test]
    public void Metrics_HaveALineForEachBatchAndEpoch()
    {
        run.Train("run", "--epochs", "2");
        JsonObject[] lines = run.Metrics("run");
        Assert.Multiple(() =>
        {
            Assert.That(lines.Select(Place), Is.EqualTo(new[] { "1.1", "1.2", "1.3", "1.4", "1", "2.1", "2.2", "2.3", "2.4", "2" }));
            foreach (string name in new[] { "loss", "lossPerLabel", "gradientNorm", "learningRate", "infeasible", "audioSecondsPerSecond", "loadSeconds", "computeSeconds" })
                Assert.That((double)lines[0][name]!, Is.GreaterThanOrEqualTo(0), name);
            foreach (string name in new[] { "loss", "wer", "werUtterance", "cer", "learningRate", "infeasible", "loadSeconds", "computeSeconds", "evaluationSeconds", "lossPerLabel", "validationLoss", "validationLossPerLabel", "validationInfeasible" })
                Assert.That((double)lines[4][name]!, Is.GreaterThanOrEqualTo(0), name);
            Assert.That((double)lines[0]["loadSeconds"]! + (double)lines[0]["computeSeconds"]!, Is.EqualTo((double)lines[0]["seconds"]!).Within(1e-9));
        });
    }

    /// <summary>A process that is killed after batches that no checkpoint holds, with half a line written: those are taken again, and each has one line.</summary>
    [Test]
    public void Metrics_KilledAndResumed_EqualThoseOfAWholeRun()
    {
        run.Train("whole", "--epochs", "3");
        run.Train("run", "--epochs", "1");
        string[] checkpoint = File.ReadAllLines(run["run/metrics.jsonl"]);
        string later = File.ReadLines(run["whole/metrics.jsonl"]).ElementAt(checkpoint.Length);
        File.AppendAllText(run["run/metrics.jsonl"], later + "\n" + later[..(later.Length / 2)]);

        run.Train("run", "--epochs", "3", "--resume", "auto");
        Assert.That(MetricsLines.WithoutTimes(run["run/metrics.jsonl"]), Is.EqualTo(MetricsLines.WithoutTimes(run["whole/metrics.jsonl"])));
        Assert.That(File.ReadLines(run["run/metrics.jsonl"]).Take(checkpoint.Length), Is.EqualTo(checkpoint), "what a checkpoint holds stays, times included");
    }

    /// <summary>Killed at any moment: the last line of an epoch may be missing where the checkpoint was written just before; its history has it.</summary>
    [Test]
    public void Metrics_KilledBeforeTheEpochsLine_HaveItAfterResuming()
    {
        run.Train("run", "--epochs", "2");
        string path = run["run/metrics.jsonl"];
        string[] lines = File.ReadAllLines(path);
        File.WriteAllLines(path, lines[..^1]);
        run.Train("run", "--epochs", "2", "--resume", "auto");
        Assert.That(File.ReadAllLines(path), Is.EqualTo(lines));
    }

    [Test]
    public void Metrics_ResumedInAnotherFolder_HoldTheWholeRun()
    {
        run.Train("run", "--epochs", "1");
        run.Train("other", "--epochs", "2", "--resume", run["run/latest.safetensors"]);
        run.Train("whole", "--epochs", "2");
        Assert.That(MetricsLines.WithoutTimes(run["other/metrics.jsonl"]), Is.EqualTo(MetricsLines.WithoutTimes(run["whole/metrics.jsonl"])));
        Assert.That(run.Metrics("run"), Has.Length.EqualTo(5));
    }

    [Test]
    public void Metrics_DamagedEnvironment_IsNamedAndLeftAlone()
    {
        run.Train("run", "--epochs", "1");
        File.WriteAllText(run["run/environment.json"], "[{");
        (int code, string error) = run.TryTrain("run", "--epochs", "2", "--resume", "auto");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("environment.json").And.Contain("delete it"));
    }

    [Test]
    public void Transcripts_HaveEachUtterancesRate()
    {
        run.Train("run", "--epochs", "1");
        string[][] rows = [.. File.ReadLines(run["run/transcripts.tsv"]).Select(line => line.Split('\t'))];
        Assert.That(rows[0], Is.EqualTo(new[] { "id", "wer", "reference", "hypothesis" }));
        Assert.That(rows[1..].Select(row => row[0]), Is.EquivalentTo(Enumerable.Range(0, 7).Select(i => $"{i}")));
        double mean = rows[1..].Average(row => double.Parse(row[1]));
        Assert.That(mean, Is.EqualTo((double)run.Metrics("run")[^1]["werUtterance"]!).Within(0.01));
    }

    [Test]
    public void Errors_AreBySpeakerUtteranceWordAndLetter_AndEvaluatesAreTheSame()
    {
        run.Train("run", "--epochs", "2");
        string[][] transcripts = Rows("run/transcripts.tsv"), speakers = Rows("run/errors/speakers.tsv"), worst = Rows("run/errors/worst.tsv");
        string[][] words = Rows("run/errors/words.tsv"), letters = Rows("run/errors/letters.tsv");
        JsonObject last = run.Metrics("run")[^1];
        Assert.Multiple(() =>
        {
            Assert.That(speakers[0], Is.EqualTo(new[] { "folder", "utterances", "words", "wer", "cer" }));
            Assert.That(speakers[1..].Single()[1..], Is.EqualTo(new[] { "7", "8", $"{(double)last["wer"]!:F2}", $"{(double)last["cer"]!:F2}" }));
            Assert.That(worst[0], Is.EqualTo(new[] { "id", "errors", "words", "wer", "cer", "reference", "hypothesis", "audio" }));
            Assert.That(worst[1..].Select(row => double.Parse(row[3])), Is.Not.Empty.And.Ordered.Descending);
            Assert.That(worst[1..].Select(row => (row[0], row[3], row[5], row[6])), Is.SubsetOf(transcripts.Select(row => (row[0], row[1], row[2], row[3]))));
            Assert.That(words[0], Is.EqualTo(new[] { "count", "kind", "said", "heard" }));
            Assert.That(words[1..].Sum(row => int.Parse(row[0])), Is.EqualTo(Math.Round(0.08 * (double)last["wer"]!)), "8 words were said");
            Assert.That(letters[1..].Sum(row => int.Parse(row[0])), Is.EqualTo(Math.Round(0.19 * (double)last["cer"]!)), "19 letters were said");
        });

        (int code, string output, string error) = Cli.Program.Run(
            "evaluate", "--checkpoint", run["run/latest.safetensors"], "--manifest", run.Corpus.Manifest, "--lm", "none", "--device", "host", "--errors", run["evaluated"], "--batch", "2");
        Assert.That(code, Is.Zero, output + error);
        foreach (string name in new[] { "speakers.tsv", "worst.tsv", "words.tsv", "letters.tsv" })
            Assert.That(File.ReadAllText(run[$"evaluated/{name}"]), Is.EqualTo(File.ReadAllText(run[$"run/errors/{name}"])), name);
    }

    private string[][] Rows(string name) => [.. File.ReadLines(run[name]).Select(line => line.Split('\t'))];

    private static string Place(JsonObject line) => $"{line["epoch"]}" + (line.ContainsKey("batch") ? $".{line["batch"]}" : "");
}
