using System.Diagnostics;
using Ds2.Tests.Data;

namespace Ds2.Tests.Cli;

/// <summary>What a profiler is told, by a library of NVIDIA's names that writes what it hears to a file.</summary>
[TestFixture]
public sealed class ProfilerRangeTests
{
    private const string Listener =
        """
        #include <stdio.h>
        #include <stdlib.h>
        static void say(const char *what) { FILE *f = fopen(getenv("HEARD"), "a"); fprintf(f, "%s\n", what); fclose(f); }
        int nvtxRangePushA(const char *name) { say(name); return 0; }
        int nvtxRangePop(void) { say("end"); return 0; }
        """;

    [Test]
    public void WithoutTheVariable_IsOff()
    {
        Assert.That(ProfilerRange.IsWanted, Is.False);
        Assert.That(ProfilerRange.IsOn, Is.False);
        using ProfilerRange range = ProfilerRange.Begin("nobody listens");
    }

    [TestCase("1")]
    [TestCase("0")]
    public void Step_NamesItsOpsOnlyIfAsked(string wanted)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/usr/bin/cc"))
            Assert.Ignore("no C compiler (/usr/bin/cc) for a library that stands in for NVIDIA's");
        using var folder = new TempFolder();
        Assert.That(Run("/usr/bin/cc", ["-shared", "-fPIC", "-o", folder["libnvToolsExt.so.1"], folder.Write("listener.c", Listener)], []), Is.Zero);
        string[] train =
        [
            typeof(Ds2.Train.Program).Assembly.Location, "train", "--out", folder["run"], "--epochs", "1", "--max-batches", "1", "--threads", "1",
            "--set", "layers=1", "--set", "hidden=8", "--set", "channels=2",
        ];
        Assert.That(
            Run("dotnet", train, new() { ["DS2_NVTX"] = wanted, ["LD_LIBRARY_PATH"] = folder.Path, ["HEARD"] = folder["heard"] }), Is.Zero);
        string[] heard = File.Exists(folder["heard"]) ? File.ReadAllLines(folder["heard"]) : [];
        if (wanted != "1")
        {
            Assert.That(heard, Is.Empty);
            return;
        }

        Assert.That(heard, Has.Member("Conv2d.Forward").And.Member("Gru.Backward").And.Member("Ctc.Backward").And.Member("Rollback.Keep"));
        Assert.That(heard.Count(line => line == "end"), Is.EqualTo(heard.Length / 2.0), "each range ends");
    }

    private static int Run(string program, string[] arguments, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        process.WaitForExit();
        if (process.ExitCode != 0)
            TestContext.Out.WriteLine(output.Result + error.Result);
        return process.ExitCode;
    }
}
