using System.Diagnostics;
using Ds2.Tests.Training;

namespace Ds2.Tests.Files;

public sealed class AtomicFileTests
{
    /// <summary>What strace sees of a run: after a checkpoint's rename, its folder is opened and flushed.</summary>
    [Test]
    public void Write_FlushesTheFolderAfterTheRename()
    {
        if (!File.Exists("/usr/bin/strace"))
            Assert.Ignore("needs strace: apt install strace");
        using var corpus = new TinyCorpus();
        string trace = corpus.PathOf("trace");
        using Process process = Cli.Program.StartBy(
            ["strace", "-f", "-y", "-e", "trace=rename,renameat,renameat2,fsync", "-o", trace], [.. corpus.TrainArguments("run"), "--epochs", "1", "--json"]);
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        string[] calls = File.ReadAllLines(trace);
        if (process.ExitCode != 0 && calls.Length == 0)
            Assert.Ignore($"strace may not trace here: {error.Result}");
        int rename = Array.FindIndex(calls, call => call.Contains("rename", StringComparison.Ordinal) && call.Contains("latest.safetensors", StringComparison.Ordinal));
        Assert.That(rename, Is.Positive);
        Assert.That(calls[(rename + 1)..].First(call => call.Contains("fsync(", StringComparison.Ordinal)), Does.Contain($"<{corpus.PathOf("run")}>"));
    }
}
