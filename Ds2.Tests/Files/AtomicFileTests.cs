using System.Diagnostics;
using Ds2.Runtime.Files;
using Ds2.Tests.Data;
using Ds2.Tests.Training;

namespace Ds2.Tests.Files;

public sealed class AtomicFileTests
{
    /// <summary>A link stays one, and where it leads is replaced, also where that is not there yet.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void Write_ToALink_ReplacesWhatItLeadsTo(bool exists)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("ds2-test-");
        try
        {
            string target = Path.Combine(folder.FullName, "there", "target"), link = Path.Combine(folder.FullName, "link");
            if (exists)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.WriteAllText(target, "old, and longer");
            }

            File.CreateSymbolicLink(link, Path.Combine("there", "target"));
            AtomicFile.Write(link, stream => stream.Write("new"u8));
            Assert.That((File.ReadAllText(target), new FileInfo(link).LinkTarget), Is.EqualTo(("new", Path.Combine("there", "target"))));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>What /dev/null or /dev/stdout would become, is tried on a descriptor of this process, which nobody can replace.</summary>
    [Test]
    public void Write_UnderDev_WritesThere()
    {
        if (!Directory.Exists("/dev/fd"))
            Assert.Ignore("needs /dev/fd");
        string path = Path.GetTempFileName();
        try
        {
            using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
                AtomicFile.Write($"/dev/fd/{file.SafeFileHandle.DangerousGetHandle()}", stream => stream.Write("written"u8));
            Assert.That(File.ReadAllText(path), Is.EqualTo("written"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Who made a pipe reads it: a file in its place, and they would wait for ever.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public async Task Write_ToAPipe_WritesThere(bool byALink)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("tells pipes from files on Linux");
        DirectoryInfo folder = Directory.CreateTempSubdirectory("ds2-test-");
        try
        {
            string pipe = Path.Combine(folder.FullName, "pipe"), link = Path.Combine(folder.FullName, "link");
            Pipe.Make(pipe);
            File.CreateSymbolicLink(link, "pipe");
            using Process reader = Process.Start(new ProcessStartInfo("timeout", ["20", "cat", pipe]) { RedirectStandardOutput = true })!;
            Task<string> read = reader.StandardOutput.ReadToEndAsync();
            AtomicFile.Write(byALink ? link : pipe, stream => stream.Write("written"u8));
            Assert.That(await read, Is.EqualTo("written"));
            Assert.That(folder.GetFiles("*.partial"), Is.Empty);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

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
