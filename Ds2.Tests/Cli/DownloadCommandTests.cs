using System.Diagnostics;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;
using Ds2.Tests.Data.Download;

namespace Ds2.Tests.Cli;

/// <summary><c>data download</c> and <c>data verify</c> as their users run them: processes that are killed, exit codes, what is printed.</summary>
public sealed class DownloadCommandTests
{
    private TempFolder folder = null!;
    private TestArchives archives = null!;

    [SetUp]
    public void MakeArchives()
    {
        Sounds.RequireSndFile();
        folder = new TempFolder();
        archives = TestArchives.Noise(utterances: 8, samples: 8000);
        folder.Write("digests", archives.Digests);
    }

    [TearDown]
    public void RemoveFolder() => folder?.Dispose();

    /// <summary>SIGKILL at several moments after it began to fetch; <c>data-scripts/download_loop.sh</c> is the long form.</summary>
    [Test]
    public void Download_Killed_EndsWithTheSameBytes()
    {
        using var slow = new LoopbackServer(archives.Files, _ => new ServerAnswer { Rate = 300_000 });
        for (int round = 0; round < 3; round++)
        {
            using Process process = Start(slow, "cut");
            while (!File.Exists(folder["cut/download/lock"]) && !process.HasExited)
                Thread.Sleep(5);
            Thread.Sleep(100 + 200 * round);
            process.Kill();
            process.WaitForExit();
        }

        using var server = new LoopbackServer(archives.Files);
        Assert.That(Finish(Start(server, "cut")).Code, Is.Zero);
        Assert.That(Finish(Start(server, "whole")).Code, Is.Zero);
        Assert.That(FolderBytes.Of(folder["cut"]), Is.EqualTo(FolderBytes.Of(folder["whole"])));

        Assert.That(Finish(Verify("cut")), Is.EqualTo((0, "Dataset Checksum Passed.\n")));
        string flipped = folder["cut/val/wav/20-1-0003.wav"];
        byte[] bytes = File.ReadAllBytes(flipped);
        bytes[1000] ^= 1;
        File.WriteAllBytes(flipped, bytes);
        Assert.That(Finish(Verify("cut")), Is.EqualTo((1, $"changed  {flipped}\n")));
    }

    private Process Start(LoopbackServer server, string target) =>
        Start("download", "--mirror", server.Address.AbsoluteUri, "--digests", folder["digests"], "--target", folder[target]);

    private Process Verify(string target) => Start("verify", folder[target]);

    private static Process Start(params string[] arguments) => Process.Start(
        new ProcessStartInfo("dotnet", [typeof(Ds2.Train.Program).Assembly.Location, "data", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static (int Code, string Output) Finish(Process process)
    {
        using (process)
        {
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            TestContext.Out.WriteLine(error.Result);
            return (process.ExitCode, output);
        }
    }
}
