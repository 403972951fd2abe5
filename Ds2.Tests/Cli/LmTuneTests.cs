using System.Text.Json;
using Ds2.Runtime.Features;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary><c>lm tune</c>, <c>evaluate</c> and <c>train</c> with a beam search, on a model that has learned nothing.</summary>
[NonParallelizable]
public sealed class LmTuneTests
{
    private const string Arpa = "\\data\\\nngram 1=5\n\n\\1-grams:\n-99\t<s>\n-0.9\t</s>\n-0.5\tYES\n-0.5\tNO\n-3\t<unk>\n\n\\end\\\n";

    private TinyCorpus corpus = null!;
    private string[] model = null!;

    [OneTimeSetUp]
    public void Train()
    {
        corpus = new TinyCorpus();
        File.WriteAllText(corpus.PathOf("lm.arpa"), Arpa);
        File.WriteAllText(corpus.PathOf("hot.txt"), "stop\t2\n");
        Program.Run([.. corpus.TrainArguments("run"), "--lm", "none", "--epochs", "1", "--max-batches", "1", "--json"]);
        model = ["--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.Manifest, "--device", "host"];
    }

    [OneTimeTearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>What is tuned on does not depend on the batches, also where one has recordings alone that are too short for an output frame.</summary>
    [Test]
    public void Tune_OfTooShortRecordings_IsThatOfAnyBatch()
    {
        NpyFile.Write(corpus.PathOf("short.npy"), new float[13], 1, 13);
        File.WriteAllText(corpus.PathOf("short.csv"), "short.npy,3.txt\n" + File.ReadAllText(corpus.Manifest));
        string[] outputs =
        [
            .. new[] { "1", "8" }.Select(batch => Program.Run(
                ["lm", "tune", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.PathOf("short.csv"), "--device", "host", "--lm", corpus.PathOf("lm.arpa"), "--beam", "8", "--batch", batch, "--json"]).Output),
        ];
        Assert.That(outputs[0], Is.EqualTo(outputs[1]).And.Contain("result"));
    }

    [Test]
    public void Tune_SaysWhatGreedyAndTheBeamHave_AndIsNotWorseUnsaid()
    {
        (int code, string output, string error) = Program.Run(["lm", "tune", .. model, "--lm", corpus.PathOf("lm.arpa"), "--beam", "8", "--json"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Not.Match(@"trying alpha and beta: \d+ of"), "how many trials there will be, nobody knows");
        JsonElement[] events = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        JsonElement result = events[^1], tuned = result.GetProperty("tuned");
        Assert.That(result.GetProperty("event").GetString(), Is.EqualTo("result"));
        Assert.That(tuned.GetProperty("wer").GetDouble(), Is.EqualTo(events[..^1].Min(trial => trial.GetProperty("wer").GetDouble())));
        Assert.That(result.GetProperty("unknownWords").GetDouble(), Is.EqualTo(6.0 / 8).Within(1e-9), "of YES, NO, STOP, A B, GO, IT'S, ON");
        bool helps = tuned.GetProperty("wer").GetDouble() < Math.Min(result.GetProperty("greedy").GetProperty("wer").GetDouble(), result.GetProperty("beam").GetProperty("wer").GetDouble());
        Assert.That(result.GetProperty("note").ValueKind, Is.EqualTo(helps ? JsonValueKind.Null : JsonValueKind.String));
        (code, output, _) = Program.Run(["lm", "tune", .. model, "--lm", corpus.PathOf("lm.arpa"), "--beam", "8"]);
        Assert.That(output, Does.Contain("greedy").And.Contain("without a model").And.Contain("75.0 % of the words"));
        Assert.That(output.TrimEnd(), Does.EndWith(helps ? " --beam 8" : result.GetProperty("note").GetString()!));
    }

    [Test]
    public void Tune_TextWithForeignCharacters_SaysSo_OrRefuses()
    {
        File.WriteAllText(corpus.PathOf("foreign.txt"), "YES 7\n");
        File.WriteAllText(corpus.PathOf("foreign.csv"), "0.npy,foreign.txt\n1.npy,1.txt\n");
        string[] tune = ["lm", "tune", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", corpus.PathOf("foreign.csv"), "--device", "host", "--lm", corpus.PathOf("lm.arpa"), "--beam", "4"];
        (int code, _, string error) = Program.Run(tune);
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("'7'").And.Contain("--strict-text"));
        (code, string output, error) = Program.Run([.. tune, "--strict-text"]);
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain("'7'"));
    }

    /// <summary>Said wherever a model is opened for an alphabet: such a model does nothing but harm, and the rates alone do not say why.</summary>
    [Test]
    public void Evaluate_ModelInTheOtherCase_IsSaid()
    {
        File.WriteAllText(corpus.PathOf("lower.arpa"), Arpa.Replace("YES", "yes", StringComparison.Ordinal).Replace("NO", "no", StringComparison.Ordinal));
        (int code, _, string error) = Program.Run(["evaluate", .. model, "--lm", corpus.PathOf("lower.arpa"), "--beam", "4"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain($"ds2: {corpus.PathOf("lower.arpa")}: 100 % of its words are not written with the checkpoint's alphabet").And.Match("such as (yes; it writes YES|no; it writes NO)"));
        Assert.That(Program.Run(["evaluate", .. model, "--lm", corpus.PathOf("lm.arpa"), "--beam", "4"]).Error, Does.Not.Contain("alphabet"));
    }

    [Test]
    public void Evaluate_WithModelAndHotWords_Runs()
    {
        (int code, string output, string error) = Program.Run(["evaluate", .. model, "--lm", corpus.PathOf("lm.arpa"), "--beam", "8", "--alpha", "0.7", "--beta", "-1", "--hotwords", corpus.PathOf("hot.txt"), "--json"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(JsonDocument.Parse(output).RootElement.GetProperty("utterances").GetInt32(), Is.EqualTo(7));
    }

    [Test]
    public void Train_WithModel_HasASecondColumn()
    {
        string[] run = [.. corpus.TrainArguments("beam"), "--epochs", "1", "--max-batches", "1"];
        (int code, string output, string error) = Program.Run([.. run, "--lm", corpus.PathOf("lm.arpa"), "--beam", "8", "--decode", "beam", "--target-wer", "1000", "--json"]);
        Assert.That(code, Is.Zero, error);
        JsonElement[] events = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        double wer = events.Single(line => line.GetProperty("event").GetString() == "epoch").GetProperty("beamWer").GetDouble();
        (_, output, _) = Program.Run(["evaluate", "--checkpoint", corpus.PathOf("beam/latest.safetensors"), "--manifest", corpus.Manifest, "--device", "host", "--lm", corpus.PathOf("lm.arpa"), "--beam", "8", "--json"]);
        Assert.That(wer, Is.EqualTo(JsonDocument.Parse(output).RootElement.GetProperty("wer").GetDouble()), "what evaluate says");
        Assert.That(File.ReadAllText(corpus.PathOf("beam/report.html")), Does.Contain("beam WER %").And.Contain("\"beamWer\":["));
        Assert.That(File.ReadAllText(corpus.PathOf("run/report.html")), Does.Not.Contain("beam WER %"));

        (code, output, error) = Program.Run([.. corpus.TrainArguments("refused"), "--lm", "none", "--decode", "beam"]);
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.StartWith("ds2: --decode beam").And.Contain("--lm"));
    }

    [TestCase("--lm", "--alpha", "1")]
    [TestCase("--lm", "--beta", "1")]
    [TestCase("at least 1", "--beam", "0")]
    [TestCase("--alpha must be", "--alpha", "much")]
    [TestCase("absent.arpa", "--lm", "absent.arpa")]
    [TestCase("absent.txt", "--hotwords", "absent.txt")]
    public void Evaluate_OptionsThatMakeNoSense_AreRefused(string expected, string option, string value)
    {
        (int code, string output, string error) = Program.Run(["evaluate", .. model, option, value]);
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.StartWith("ds2: ").And.Contain(expected));
    }
}
