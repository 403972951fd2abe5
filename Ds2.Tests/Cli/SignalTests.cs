using System.Diagnostics;
using System.Text;
using Ds2.Tests.Training;

namespace Ds2.Tests.Cli;

/// <summary>Signals to a process that trains or evaluates: what it says, what it saves, and when it ends.</summary>
[NonParallelizable]
public sealed class SignalTests
{
    private const int Interrupted = 130;
    private const int EndedBySigTerm = 128 + 15;

    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus()
    {
        if (OperatingSystem.IsWindows())
            Assert.Ignore("Windows has no signals to send to another process");
        corpus = new TinyCorpus();
    }

    [TearDown]
    public void DeleteCorpus() => corpus?.Dispose();

    /// <summary>In the middle of a long run: it saves, leaves with 130, and the checkpoint loads.</summary>
    [TestCase("INT")]
    [TestCase("TERM")]
    [TestCase("HUP")]
    public void Train_Interrupted_SavesAndLeavesWith130(string signal)
    {
        RequireHeard(signal);
        using Process process = Program.Start(LongRun());
        while (process.StandardOutput.ReadLine() is { } line && !line.Contains("\"event\":\"epoch\""))
            Assert.That(line, Does.StartWith("{"));
        Send(process, signal);
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(Interrupted));
        TinyCorpus.AssertLoads(corpus.PathOf("run/latest.safetensors"));
    }

    /// <summary>As <c>timeout -s INT</c> sends them, to the process and to its group, while a batch is under way.</summary>
    [TestCase("INT")]
    [TestCase("TERM")]
    public void Train_TwoSignalsAtOnce_CountAsOne(string signal)
    {
        RequireHeard(signal);
        using Process process = StartAndHoldInABatch();
        foreach (string sent in new[] { signal, signal, "HUP" })
        {
            Send(process, sent);
            Assert.That(process.WaitForExit(200), Is.False);
        }

        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, process.StandardError.ReadToEnd().Contains("saving")), Is.EqualTo((Interrupted, true)));
        TinyCorpus.AssertLoads(corpus.PathOf("run/latest.safetensors"));
    }

    /// <summary>Who sends one again after a while insists; a terminal that goes away does not.</summary>
    [Test]
    public void Train_SignalAgainLater_EndsAtOnce()
    {
        using Process process = StartAndHoldInABatch();
        Send(process, "TERM");
        Thread.Sleep(TimeSpan.FromSeconds(2.5));
        Send(process, "HUP");
        Assert.That(process.WaitForExit(300), Is.False);
        Send(process, "TERM");
        Assert.That(process.WaitForExit(10_000), Is.True);
        Assert.That(process.ExitCode, Is.EqualTo(EndedBySigTerm));
    }

    [Test]
    public void Train_UnderNohup_GoesOn()
    {
        using Process process = Program.StartBy(["nohup"], LongRun("--epochs", "40"));
        while (process.StandardOutput.ReadLine() is { } line && !line.Contains("\"event\":\"epoch\""))
            Assert.That(line, Does.StartWith("{"));
        Send(process, "HUP");
        string rest = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, rest.Contains("\"epochs\":40")), Is.EqualTo((0, true)));
    }

    /// <summary>Its manifest is a pipe, so that it waits there until the signal is sent.</summary>
    [Test]
    public void Evaluate_Terminated_SaysThatItStops()
    {
        Assert.That(Program.Run([.. corpus.TrainArguments("run"), "--epochs", "1", "--json"]).Code, Is.Zero);
        string manifest = corpus.PathOf("pipe.csv");
        using (Process mkfifo = Process.Start("mkfifo", [manifest]))
            mkfifo.WaitForExit();
        using Process process = Program.Start(
            "evaluate", "--checkpoint", corpus.PathOf("run/latest.safetensors"), "--manifest", manifest, "--device", "host", "--json");
        using (var pipe = new FileStream(manifest, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            Send(process, "TERM");
            Assert.That(process.StandardError.ReadLine(), Does.Contain("stopping").And.Not.Contain("sav"));
            pipe.Write(Encoding.UTF8.GetBytes(File.ReadAllText(corpus.Manifest)));
        }

        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, output), Is.EqualTo((Interrupted, "")));
    }

    private static void Send(Process process, string signal)
    {
        using Process kill = Process.Start("kill", ["-" + signal, process.Id.ToString()]);
        kill.WaitForExit();
    }

    /// <summary>Skips the test where this process was told to ignore a signal, as the programs that it starts will be: Linux shows the mask.</summary>
    private static void RequireHeard(string signal)
    {
        const string Status = "/proc/self/status", Ignored = "SigIgn:";
        string? mask = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Ignored, StringComparison.Ordinal)) : null;
        int number = signal switch { "HUP" => 1, "INT" => 2, _ => 15 };
        if (mask is not null && (Convert.ToUInt64(mask[Ignored.Length..].Trim(), 16) & 1ul << number - 1) != 0)
            Assert.Ignore($"SIG{signal} is ignored here, as SIGINT is in every job that a shell starts in the background, and so it is by the programs that a test starts");
    }

    /// <summary>A run that stands in a batch, as it writes to a pipe that nobody empties; it goes on when somebody does.</summary>
    private Process StartAndHoldInABatch()
    {
        Process process = Program.Start(LongRun());
        var metrics = new FileInfo(corpus.PathOf("run/metrics.jsonl"));
        // An epoch's end, with all that the run's folder gets then, may take most of a second where the code is not compiled yet.
        var still = Stopwatch.StartNew();
        for (long before = 0; still.Elapsed < TimeSpan.FromSeconds(3) || before == 0; Thread.Sleep(100))
        {
            metrics.Refresh();
            long length = metrics.Exists ? metrics.Length : 0;
            if (length != before)
                still.Restart();
            before = length;
            Assert.That(process.HasExited, Is.False);
        }

        return process;
    }

    private string[] LongRun(params string[] more) =>
        [.. corpus.TrainArguments("run"), "--target-wer", "-1", "--json", .. more.Length > 0 ? more : ["--epochs", "100000"]];
}
