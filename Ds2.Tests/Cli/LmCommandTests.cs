using System.Text.Json;
using Ds2.Runtime;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Tests.Data;
using Ds2.Train.Reporting;

namespace Ds2.Tests.Cli;

/// <summary>A language model from text to figures.</summary>
[NonParallelizable]
public sealed class LmCommandTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void BuildCompileScore_AgreeWithEachOther()
    {
        string text = folder.Write("text.txt", "go left\ngo right\nturn left\n");
        (int code, string output, string error) = Program.Run("lm", "build", "--text", text, text, "--order", "2", "--discount-fallback", "--out", folder["a.arpa"]);
        Assert.That((code, output), Is.EqualTo((0, $"{folder["a.arpa"]}: 7 1-grams, 7 2-grams{Environment.NewLine}")), error);
        Assert.That(error, Does.Contain("12 words in 6 sentences: needs at most "));
        (code, output, error) = Program.Run("lm", "compile", "--arpa", folder["a.arpa"], "--out", folder["a.lm"], "--bits", "32");
        Assert.That((code, output), Is.EqualTo((0, $"{folder["a.lm"]}: 7 1-grams, 7 2-grams; {new FileInfo(folder["a.lm"]).Length} bytes, {new FileInfo(folder["a.lm"]).Length / 14.0:F2} an n-gram{Environment.NewLine}")), error);
        (code, output, error) = Program.Run("lm", "score", "--lm", folder["a.lm"], "--text", text, "--json");
        Assert.That(code, Is.Zero, error);
        using JsonDocument json = JsonDocument.Parse(output);
        Assert.That(json.RootElement.GetProperty("tokens").GetInt64(), Is.EqualTo(9));
        Assert.That(json.RootElement.GetProperty("unknownWords").GetInt64(), Is.Zero);
        Assert.That(Program.Run("lm", "score", "--lm", folder["a.arpa"], "--text", text, "--json").Output, Is.EqualTo(output));
        Assert.That(Program.Run("lm", "score", "--lm", folder["a.arpa"], "--text", text).Output, Does.Contain("perplexity").And.Contain("unknown words      0 (0.00 %)"));
    }

    /// <summary>A signal ends the work where it next tells how far it is; what was there stays.</summary>
    [Test]
    public void Build_Interrupted_WritesNothing()
    {
        string text = folder.Write("text.txt", "go left\n"), output = folder.Write("a.lm", "as before");
        var options = new EstimationOptions(2, [], EstimationOptions.UsualFallback);
        LanguageModelBuilder.Need need = LanguageModelBuilder.Measure([text], options);
        using var source = new CancellationTokenSource();
        var progress = new StoppableProgress(new Cancelling(source, "writing"), source.Token);
        Assert.That(() => LanguageModelBuilder.Build([text], need, options, output, 8, progress), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.GetFiles(folder.Path), Is.EquivalentTo(new[] { text, output }));
        Assert.That(File.ReadAllText(output), Is.EqualTo("as before"));
    }

    /// <summary>Cancels when a piece of work begins.</summary>
    private sealed class Cancelling(CancellationTokenSource source, string at) : IWorkProgress
    {
        public IWorkItem Begin(string what, long? total, WorkUnit unit)
        {
            if (what == at)
                source.Cancel();
            return NoProgress.Instance;
        }

        public void Note(string line)
        {
        }
    }

    [Test]
    public void Lm_BadInput_IsOneLineAndTwo()
    {
        string text = folder.Write("text.txt", "go left\n");
        foreach (string[] command in new string[][]
        {
            ["lm", "build", "--text", text, "--out", folder["a.lm"]], ["lm", "build", "--text", text, "--order", "7", "--out", folder["a.lm"]],
            ["lm", "build", "--text", folder["none"], "--out", folder["a.lm"]], ["lm", "compile", "--arpa", text, "--out", folder["a.lm"]],
            ["lm", "compile", "--arpa", text, "--out", folder["a.lm"], "--bits", "16"], ["lm", "score", "--lm", text, "--text", text],
        })
        {
            (int code, string output, string error) = Program.Run(command);
            Assert.That((code, output), Is.EqualTo((2, "")), string.Join(' ', command));
            Assert.That(error, Does.Contain("ds2: ").And.Not.Contain("   at "));
        }
        Assert.That(folder["a.lm"], Does.Not.Exist);
    }
}
