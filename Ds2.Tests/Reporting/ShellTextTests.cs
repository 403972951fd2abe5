using System.Diagnostics;
using Ds2.Tests.Training;
using Ds2.Train.Reporting;

namespace Ds2.Tests.Reporting;

public sealed class ShellTextTests
{
    [Test]
    public void Quote_PlainWords_StayAsTheyAre() => Assert.That(ShellText.Quote("runs/2026-11-29/ä.safetensors"), Is.EqualTo("runs/2026-11-29/ä.safetensors"));

    /// <summary>A shell reads each word back as it was.</summary>
    [Test]
    public void Quote_IsUndoneByAShell()
    {
        if (OperatingSystem.IsWindows())
            Assert.Ignore("needs sh");
        string[] words = ["my run/best", "it's", "$HOME", "a\"b\\c", "`id`;&|<>(){}*?!#~", "", "--lm=x", "~"];
        using Process shell = Process.Start(new ProcessStartInfo("sh", ["-c", "printf '%s\\n' " + string.Join(' ', words.Select(ShellText.Quote))]) { RedirectStandardOutput = true })!;
        string[] read = shell.StandardOutput.ReadToEnd().Split('\n');
        shell.WaitForExit();
        Assert.That(read[..^1], Is.EqualTo(words));
    }

    /// <summary>What training says at its end.</summary>
    [Test]
    public void Train_CommandToPaste_IsQuoted()
    {
        using var corpus = new TinyCorpus();
        (int code, string output, string error) = Cli.Program.Run([.. corpus.TrainArguments("my run"), "--epochs", "1"]);
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain($"transcribe --checkpoint {ShellText.Quote(corpus.PathOf("my run/best.safetensors"))} --lm none recording.wav").And.Contain("my run/best.safetensors' "), "of an epoch the model makes nothing better");
    }
}
