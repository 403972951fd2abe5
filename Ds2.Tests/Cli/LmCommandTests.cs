using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ds2.Runtime;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;
using Ds2.Train.Commands;
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
        (int code, string output, string error) = Program.Run("lm", "build", "--text", text, text, "--order", "2", "--out", folder["a.arpa"]);
        Assert.That((code, output), Is.EqualTo((0, $"{folder["a.arpa"]}: 7 1-grams, 7 2-grams{Environment.NewLine}")), error);
        Assert.That(error, Does.Contain("12 words in 6 sentences: needs at most ").And.Contain("0.5 1 1.5 are taken"));
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
        TextTokens read = LanguageModelBuilder.Read([text], options, output, 8, NoProgress.Instance);
        using var source = new CancellationTokenSource();
        var progress = new StoppableProgress(new Cancelling(source, "writing"), source.Token);
        Assert.That(() => LanguageModelBuilder.Build(read, options, output, 8, progress), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.GetFiles(folder.Path), Is.EquivalentTo(new[] { text, output }));
        Assert.That(File.ReadAllText(output), Is.EqualTo("as before"));
    }

    /// <summary>Reading, sorting and packing of an ARPA file hear of a signal, whoever opens it.</summary>
    [TestCase("reading a.arpa")]
    [TestCase("sorting n-grams")]
    [TestCase("packing n-grams")]
    public void Open_Interrupted_Ends(string during)
    {
        string path = folder.Write("a.arpa", "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\n-1\t</s>\n-1\ta\n\n\\2-grams:\n-1\ta </s>\n\n\\end\\\n");
        using var source = new CancellationTokenSource();
        Assert.That(() => LanguageModel.Open(path, new StoppableProgress(new Cancelling(source, during), source.Token)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => DecodingArguments.OpenModel(path, Alphabet.English, source.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    /// <summary>Text and models of a shell's <c>&lt;(…)</c>, and text of standard input.</summary>
    [Test]
    public void BuildAndScore_ReadPipes()
    {
        if (OperatingSystem.IsWindows())
            Assert.Ignore("Windows has no pipes with names in folders");
        byte[] text = Encoding.UTF8.GetBytes("go left\ngo right\nturn left\n");
        (int code, string output, string error) = Pipe.Through(folder["pipe"], text, path => Program.Run("lm", "build", "--text", path, "--order", "2", "--out", folder["a.arpa"]));
        Assert.That((code, output), Is.EqualTo((0, $"{folder["a.arpa"]}: 7 1-grams, 7 2-grams{Environment.NewLine}")), error);
        string expected = Program.Run("lm", "score", "--lm", folder["a.arpa"], "--text", folder.Write("text.txt", text), "--json").Output;
        Assert.That(Pipe.Through(folder["pipe"], text, path => Program.Run("lm", "score", "--lm", folder["a.arpa"], "--text", path, "--json")).Output, Is.EqualTo(expected));
        Assert.That(Pipe.Through(folder["pipe"], File.ReadAllBytes(folder["a.arpa"]), path => Program.Run("lm", "score", "--lm", path, "--text", folder["text.txt"], "--json")).Output, Is.EqualTo(expected));
        using Process process = Program.StartBy(["sh", "-c", $"exec \"$@\" < {folder["text.txt"]}", "sh"], "lm", "score", "--lm", folder["a.arpa"], "--text", "-", "--json");
        Assert.That(process.StandardOutput.ReadToEnd(), Is.EqualTo(expected));
        process.WaitForExit();
    }

    /// <summary>What is said to be needed at most is so, and is not much more than is taken.</summary>
    [TestCase("3", "a.lm", 100_000)]
    [TestCase("5", "a.arpa", 60_000)]
    public void Build_TakesTheMemoryThatItSays(string order, string name, int words)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("Linux says how much memory a process has had at most");
        var random = new Random(1);
        var lines = new StringBuilder();
        for (int i = 1; i <= words; i++)
            lines.Append(CultureInfo.InvariantCulture, $"w{(int)(words * Math.Pow(random.NextDouble(), 2))}{(i % 10 == 0 ? '\n' : ' ')}");
        using Process process = Program.Start("lm", "build", "--text", folder.Write("text.txt", lines.ToString()), "--order", order, "--out", folder[name]);
        long taken = 0;
        while (!process.WaitForExit(5))
        {
            try
            {
                process.Refresh();
                taken = Math.Max(taken, process.PeakWorkingSet64);
            }
            catch (InvalidOperationException)
            {
                // It has ended in between.
            }
        }
        string error = process.StandardError.ReadToEnd();
        Assert.That(process.ExitCode, Is.Zero, error);
        double said = 1e6 * double.Parse(Regex.Match(error, @"at most ([\d.]+) MB").Groups[1].Value, CultureInfo.InvariantCulture);
        TestContext.Out.WriteLine($"{said / 1e6:F0} MB said, {taken / 1e6:F0} MB taken");
        Assert.That(said, Is.InRange((double)taken, 1.5 * taken));
    }

    [Test]
    public void Score_NoUtf8_IsNamed()
    {
        folder.Write("a.arpa", "\\data\\\nngram 1=2\n\n\\1-grams:\n-99\t<s>\n-1\t</s>\n\n\\end\\\n");
        string wrong = folder.Write("text.txt", [.. "a\n"u8, 0xFF]);
        (int code, string output, string error) = Program.Run("lm", "score", "--lm", folder["a.arpa"], "--text", wrong);
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.EndWith($"ds2: {wrong}: line 2: is not UTF-8 text{Environment.NewLine}"));
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
            ["lm", "build", "--text", text, "--order", "7", "--out", folder["a.lm"]],
            ["lm", "build", "--text", folder["none"], "--out", folder["a.lm"]], ["lm", "compile", "--arpa", text, "--out", folder["a.lm"]],
            ["lm", "build", "--text", text, "--out", folder["a.arpa"], "--bits", "8"], ["lm", "build", "--text", text, "--out", folder["a.arpa.gz"], "--bits", "32"],
            ["lm", "compile", "--arpa", text, "--out", folder["a.arpa"]], ["lm", "build", "--text", text, "--discount-fallback", "1", "--out", folder["a.lm"]],
            ["lm", "compile", "--arpa", text, "--out", folder["a.lm"], "--bits", "16"], ["lm", "score", "--lm", text, "--text", text],
        })
        {
            (int code, string output, string error) = Program.Run(command);
            Assert.That((code, output), Is.EqualTo((2, "")), string.Join(' ', command));
            Assert.That(error, Does.Contain("ds2: ").And.Not.Contain("   at "));
        }
        Assert.That(Directory.GetFiles(folder.Path), Is.EqualTo(new[] { text }));
    }
}
