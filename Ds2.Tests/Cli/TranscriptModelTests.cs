using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Tests.Data;
using Ds2.Tests.Reporting;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary>The language model that a run makes of its own transcripts: when, of what, and what becomes of it where the run goes on.</summary>
[NonParallelizable]
public sealed class TranscriptModelTests
{
    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    private string Words => corpus.PathOf("run/words.lm");

    [Test]
    public void Train_NoPresetNamed_LeavesWhatLmBuildMakesOfTheTranscripts()
    {
        (int code, string output, string error) = Train("--epochs", "1", "--json");
        Assert.That(code, Is.Zero, error);
        string text = corpus.PathOf("sentences.txt");
        File.WriteAllLines(text, File.ReadLines(corpus.Manifest).Select(line => File.ReadAllText(corpus.PathOf(line.Split(',')[1])).Trim()));
        (code, _, string said) = Program.Run("lm", "build", "--text", text, "--out", corpus.PathOf("built.lm"));
        Assert.That(code, Is.Zero, said);
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllBytes(Words), Is.EqualTo(File.ReadAllBytes(corpus.PathOf("built.lm"))));
            Assert.That(Start(output).GetProperty("wordsModel").GetString(), Is.EqualTo(Words));
            Assert.That(BeamRates("run"), Is.EqualTo(new[] { true }));
            Assert.That(error, Does.Not.Contain("discount"));
        });
    }

    /// <summary>What the last epoch's line says of the beam is what <c>evaluate</c> finds with the file that is left.</summary>
    [Test]
    public void Evaluate_WithWhatIsLeft_HasTheRunsRate()
    {
        Train("--epochs", "2");
        (int code, string output, string error) = Program.Run(
            "evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--lm", Words, "--device", "host", "--json");
        Assert.That(code, Is.Zero, error);
        Assert.That(JsonDocument.Parse(output).RootElement.GetProperty("wer").GetDouble(), Is.EqualTo((double)Epochs("run").Last()["beamWer"]!).Within(1e-9));
    }

    /// <summary>Whoever uses the run's checkpoints gets what its language model makes of them without naming it, and can do without.</summary>
    [Test]
    public void EvaluateAndTranscribe_TakeWhatIsLeft_UnlessToldNot()
    {
        Train("--epochs", "2");
        string checkpoint = corpus.PathOf("run/latest.safetensors"), recording = corpus.PathOf("0.npy");
        JsonObject epoch = Epochs("run").Last();
        foreach ((string[] asked, string rate, bool isUsed) in new[] { (Array.Empty<string>(), "beamWer", true), (["--lm", Words], "beamWer", true), (["--lm", "none"], "wer", false) })
        {
            (int code, string output, string error) = Program.Run(["evaluate", "--checkpoint", checkpoint, "--manifest", corpus.Manifest, .. asked, "--device", "host", "--json"]);
            Assert.That(code, Is.Zero, error);
            JsonElement result = JsonDocument.Parse(output).RootElement;
            Assert.Multiple(() =>
            {
                Assert.That(result.GetProperty("wer").GetDouble(), Is.EqualTo((double)epoch[rate]!).Within(1e-9));
                Assert.That(result.GetProperty("greedyWer").GetDouble(), Is.EqualTo((double)epoch["wer"]!).Within(1e-9));
                Assert.That(result.GetProperty("greedyCer").GetDouble(), Is.EqualTo((double)epoch["cer"]!).Within(1e-9));
                Assert.That(result.GetProperty("languageModel").GetString(), Is.EqualTo(isUsed ? Words : null));
            });
            (code, output, error) = Program.Run(["transcribe", recording, "--checkpoint", checkpoint, .. asked, "--format", "json", "--device", "host"]);
            Assert.That((code, error), Is.EqualTo((0, "")));
            Assert.That(output.Contains($"\"languageModel\": \"{Words}\"", StringComparison.Ordinal), Is.EqualTo(isUsed));
        }

        byte[] made = File.ReadAllBytes(Words);
        (int refused, _, string why) = Program.Run("evaluate", "--checkpoint", checkpoint, "--manifest", corpus.Manifest, "--lm", "none", "--transcripts", Words, "--device", "host");
        Assert.That((refused, why.Contains("name another file", StringComparison.Ordinal)), Is.EqualTo((2, true)), why);
        Assert.That(File.ReadAllBytes(Words), Is.EqualTo(made));
        (refused, _, why) = Program.Run("transcribe", recording, "--checkpoint", checkpoint, "--lm", "none", "--alpha", "0.4", "--device", "host");
        Assert.That(refused, Is.EqualTo(2));
        Assert.That(why, Does.Contain("--alpha"));
        File.WriteAllText(Words, "damaged");
        (refused, _, why) = Program.Run("transcribe", recording, "--checkpoint", checkpoint, "--device", "host");
        Assert.That(refused, Is.EqualTo(2));
        Assert.That(why, Does.Contain(Words).And.Contain("--lm none"));
    }

    [TestCase("--preset", "cpu")]
    [TestCase("--lm", "none")]
    [TestCase("--beam", "20")]
    public void Train_OtherwiseAsked_MakesNone(params string[] asked)
    {
        (int code, string output, string error) = Train([.. asked, "--epochs", "1", "--json"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(File.Exists(Words), Is.False);
        Assert.That(Start(output).TryGetProperty("wordsModel", out JsonElement model) && model.ValueKind != JsonValueKind.Null, Is.False);
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { asked[0] == "--beam" }));
    }

    /// <summary>The run that makes it without being asked may be asked to go by it, and goes on so; another has nothing to go by.</summary>
    [Test]
    public void Train_NoPresetNamed_MayDecide()
    {
        (int code, _, string error) = Train("--decode", "beam", "--epochs", "1");
        Assert.That(code, Is.Zero, error);
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { true }));
        (code, _, error) = Train("--decode", "beam", "--epochs", "4", "--resume", "auto");
        Assert.That(code, Is.Zero, error);
        double wer = (double)Epochs("run").Last()["beamWer"]!;
        Assert.That(wer, Is.Not.EqualTo((double)Epochs("run").Last()["wer"]!), "the decoders differ");
        Assert.That(File.ReadLines(corpus.PathOf("run/errors/speakers.tsv")).Single(line => !line.StartsWith("folder", StringComparison.Ordinal)).Split('\t')[3], Is.EqualTo(wer.ToString("F2", CultureInfo.InvariantCulture)), "whoever decides is shown");
        // A start by the other decoder, with nothing left to train, keeps what the last one has shown.
        (code, _, error) = Train("--epochs", "4", "--resume", "auto");
        Assert.That(code, Is.Zero, error);
        Assert.That(File.ReadAllText(corpus.PathOf("run/report.html")), Does.Contain("Errors of the last evaluation"));
        File.Delete(Words);
        (code, _, error) = Train("--decode", "beam", "--epochs", "5", "--resume", "auto");
        Assert.That((code, error.Contains("--decode beam needs a beam search", StringComparison.Ordinal)), Is.EqualTo((2, true)), error);
    }

    [TestCase("--preset", "cpu")]
    [TestCase("--lm", "none")]
    public void Train_WithoutASearch_BeamCannotDecide(string option, string value)
    {
        (int code, _, string error) = Train(option, value, "--decode", "beam", "--epochs", "1");
        Assert.That((code, error.Contains("--decode beam needs a beam search", StringComparison.Ordinal)), Is.EqualTo((2, true)), error);
    }

    /// <summary>Asked for by name it is made with a preset, too, and may decide.</summary>
    [Test]
    public void Train_AskedByName_MayDecide()
    {
        (int code, _, string error) = Train("--preset", "cpu", "--lm", "transcripts", "--alpha", "0.8", "--decode", "beam", "--epochs", "1");
        Assert.That(code, Is.Zero, error);
        Assert.That(File.Exists(Words), Is.True);
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { true }));
    }

    [Test]
    public void Resume_GoesOnWithTheFoldersOwn_UnlessToldNot()
    {
        Train("--epochs", "1");
        byte[] made = File.ReadAllBytes(Words);
        Resume("--epochs", "2");
        Resume("--epochs", "3", "--lm", "none");
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { true, true, false }));
        // Other transcripts: a run that goes on keeps what it began with.
        File.WriteAllText(corpus.PathOf("0.txt"), "NOW\n");
        Resume("--epochs", "4");
        Assert.That(File.ReadAllBytes(Words), Is.EqualTo(made));
        File.Delete(Words);
        Resume("--epochs", "5");
        Resume("--epochs", "6", "--lm", "transcripts");
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { true, true, false, true, false, true }));
        Assert.That(File.ReadAllBytes(Words), Is.Not.EqualTo(made));
    }

    /// <summary>What a run that was killed early left is not the next one's, nor is a file that a user puts beside a run.</summary>
    [Test]
    public void Resume_FileOfThatNameIsNotTheRuns_IsLeftAlone()
    {
        Train("--epochs", "1");
        File.Delete(corpus.PathOf("run/latest.safetensors"));
        File.Delete(corpus.PathOf("run/best.safetensors"));
        File.WriteAllText(corpus.PathOf("run/metrics.jsonl"), "");
        Train("--epochs", "1", "--lm", "none");
        Assert.That(File.Exists(Words), Is.False, "of the run before");
        File.WriteAllText(Words, "mine");
        Resume("--epochs", "2");
        Assert.That(File.ReadAllText(Words), Is.EqualTo("mine"));
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { false, false }));
    }

    [Test]
    public void Resume_FileIsDamaged_SaysSoAndGoesOn()
    {
        Train("--epochs", "1");
        File.WriteAllBytes(Words, File.ReadAllBytes(Words)[..1000]);
        (int code, _, string error) = Train("--resume", "auto", "--epochs", "2");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain(Words).And.Contain("--lm transcripts"));
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { true, false }));
    }

    /// <summary>Into a folder of its own it takes the file along.</summary>
    [Test]
    public void Resume_IntoAnotherFolder_TakesItAlong()
    {
        Train("--epochs", "1");
        (int code, _, string error) = Program.Run([.. corpus.TrainArguments("other"), "--resume", corpus.PathOf("run/latest.safetensors"), "--epochs", "2"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(File.ReadAllBytes(corpus.PathOf("other/words.lm")), Is.EqualTo(File.ReadAllBytes(Words)));
        Assert.That(BeamRates("other"), Is.EqualTo(new[] { true, true }));
    }

    /// <summary>A link to a checkpoint is the checkpoint; what lies beside the link comes first, where it is a file.</summary>
    [Test]
    public void Evaluate_OfALink_TakesWhatLiesBesideItsTarget()
    {
        Train("--epochs", "1");
        string link = corpus.PathOf("links/newest.safetensors"), own = corpus.PathOf("links/words.lm");
        Directory.CreateDirectory(corpus.PathOf("links"));
        File.CreateSymbolicLink(link, "../run/latest.safetensors");
        Assert.That(Evaluated(link), Is.EqualTo(Words));
        Directory.CreateDirectory(own);
        Assert.That(Evaluated(link), Is.EqualTo(Words), "beside a folder of that name");
        Directory.Delete(own);
        File.Copy(Words, own);
        Assert.That(Evaluated(link), Is.EqualTo(own));
    }

    /// <remarks>Opened, a pipe that nobody writes to would wait for ever.</remarks>
    [Test]
    public void Evaluate_WithAPipeOfThatName_GoesWithout()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("tells pipes from files on Linux");
        Train("--epochs", "1");
        File.Delete(Words);
        Pipe.Make(Words);
        Assert.That(Evaluated(corpus.PathOf("run/latest.safetensors")), Is.Null);
    }

    [Test]
    public void Evaluate_WithOneOfAnotherAlphabet_SaysHowToGoWithout()
    {
        Train("--epochs", "1");
        File.Delete(Words);
        Program.Run("lm", "build", "--text", Written("ДА НЕТ\nНЕТ ДА\n"), "--order", "2", "--out", Words);
        (int code, _, string error) = Program.Run("evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--device", "host");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain(Words).And.Contain("can never be heard").And.Contain("--lm none"));
    }

    /// <summary>Where labels are words, as in Chinese, so are the model's.</summary>
    [Test]
    public void Train_AlphabetWithoutSpace_TakesLabelsForWords()
    {
        File.WriteAllText(corpus.PathOf("labels.json"), """["<b>", "A", "B", "E", "G", "I", "N", "O", "P", "S", "T", "Y"]""");
        (int code, _, string error) = Train("--alphabet", corpus.PathOf("labels.json"), "--epochs", "1");
        Assert.That(code, Is.Zero, error);
        (code, string output, error) = Program.Run("lm", "score", "--lm", Words, "--text", Written("Y E S\nS T O P\n"), "--json");
        Assert.That(code, Is.Zero, error);
        Assert.That(JsonDocument.Parse(output).RootElement.GetProperty("unknownWords").GetInt64(), Is.Zero);
        Assert.That(BeamRates("run"), Is.EqualTo(new[] { true }));
    }

    [Test]
    public void Train_FileOfThatNameIsTheUsers_IsRefused()
    {
        Directory.CreateDirectory(corpus.PathOf("run"));
        File.WriteAllText(Words, "mine");
        (int code, _, string error) = Train("--epochs", "1");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain(Words).And.Contain("would be replaced"));
        Assert.That(File.ReadAllText(Words), Is.EqualTo("mine"));
    }

    /// <summary>The language model that evaluate says it has used.</summary>
    private string? Evaluated(string checkpoint)
    {
        (int code, string output, string error) = Program.Run("evaluate", "--checkpoint", checkpoint, "--manifest", corpus.Manifest, "--device", "host", "--json");
        Assert.That(code, Is.Zero, error);
        return JsonNode.Parse(output)!["languageModel"]?.GetValue<string>();
    }

    private string Written(string text)
    {
        File.WriteAllText(corpus.PathOf("text"), text);
        return corpus.PathOf("text");
    }

    private (int Code, string Output, string Error) Train(params string[] more) => Program.Run([.. corpus.TrainArguments("run"), .. more]);

    private void Resume(params string[] more)
    {
        (int code, _, string error) = Train(["--resume", "auto", .. more]);
        Assert.That(code, Is.Zero, error);
    }

    private static JsonElement Start(string output) => JsonDocument.Parse(output.Split('\n')[0]).RootElement;

    /// <summary>Of each epoch, whether a beam search's errors were counted.</summary>
    private bool[] BeamRates(string run) => [.. Epochs(run).Select(epoch => epoch.ContainsKey("beamWer"))];

    private IEnumerable<JsonObject> Epochs(string run) => MetricsLines.Read(corpus.PathOf($"{run}/metrics.jsonl")).Where(line => (string?)line["event"] == "epoch");
}
