using System.Diagnostics;
using System.Text.RegularExpressions;
using Ds2.Tests.Data;

namespace Ds2.Tests.Layout;

/// <summary>The shell scripts, as far as they can be held without what they drive.</summary>
public sealed partial class ScriptTests
{
    [Test]
    public void Scripts_AreBash()
    {
        string[] scripts = [.. Directory.GetFiles(Path.Combine(Repository.Require(), "data-scripts"), "*.sh")];
        Assert.That(scripts, Is.Not.Empty);
        foreach (string script in scripts)
            Assert.That(Bash("-n", script), Is.EqualTo((0, "")), script);
    }

    /// <summary>Asked what it does, a script says that and does nothing: it is the comment at its head. One is read by the others only.</summary>
    [TestCase("--help")]
    [TestCase("-h")]
    public void Scripts_Asked_SayWhatTheyDo(string option)
    {
        using var folder = new TempFolder();
        foreach (string script in Directory.GetFiles(Path.Combine(Repository.Require(), "data-scripts"), "*.sh").Where(path => Path.GetFileName(path) != "program.sh"))
        {
            string[] head = [.. File.ReadLines(script).Skip(1).TakeWhile(line => line.StartsWith('#')).Select(line => line[1..].TrimStart())];
            (int code, string output) = Bash("-c", $"cd '{folder.Path}' && exec bash '{script}' {option} >&2");
            Assert.That(code, Is.Zero, $"{script}: {output}");
            Assert.That(output.Split('\n', StringSplitOptions.TrimEntries).Take(head.Length), Is.EqualTo(head.Select(line => line.Trim())), script);
            Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty, script);
        }
    }

    [TestCase("devcies", "unknown part devcies")]
    [TestCase("--device=cuda", "unknown option --device=cuda")]
    [TestCase("--out", "--out needs a value")]
    public void GpuCheck_WrongArgument_SaysSoAndDoesNothing(string argument, string expected)
    {
        (int code, string error) = Bash(GpuCheck, argument);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.StartWith($"gpu_check: {expected};"));
    }

    [TestCase("--mpirun", "--mpirun needs a value")]
    [TestCase("--ranks=2", "unknown option --ranks=2")]
    public void ClusterCheck_WrongArgument_SaysSoAndDoesNothing(string argument, string expected)
    {
        (int code, string error) = Bash(Path.Combine(Repository.Require(), "data-scripts", "cluster_check.sh"), argument);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.StartWith($"cluster_check: {expected};"));
    }

    [Test]
    public void GpuCheck_TakesEightMinutesAtMost()
    {
        string budget = File.ReadLines(GpuCheck).Single(line => line.StartsWith("declare -A budget=", StringComparison.Ordinal));
        Assert.That(SecondsPattern().Matches(budget).Sum(part => int.Parse(part.Groups[1].Value)), Is.EqualTo(8 * 60));
    }

    /// <summary>What it measures is how recordings are cut and joined: with a language model beside the checkpoint it would be something else.</summary>
    [Test]
    public void CompareLong_TranscribesGreedily()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["model.safetensors"], "");
        File.WriteAllText(folder["set.csv"], "0.wav,0.txt\n");
        File.WriteAllText(folder["program.sh"], $"echo \"$@\" >'{folder["asked"]}'; exit 1\n");
        string script = Path.Combine(Repository.Require(), "data-scripts", "compare_long.sh");
        (_, string error) = Bash("-c", $"cd '{folder.Path}' && sox -n -r 16000 0.wav trim 0 0.1; DS2='bash {folder["program.sh"]}' exec bash '{script}' model.safetensors set.csv");
        if (error.Contains("is missing", StringComparison.Ordinal))
            Assert.Ignore(error);
        Assert.That(File.ReadAllText(folder["asked"]), Does.Contain("--lm none"), error);
    }

    private static string GpuCheck => Path.Combine(Repository.Require(), "data-scripts", "gpu_check.sh");

    private static (int Code, string Error) Bash(params string[] arguments)
    {
        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo("bash", arguments) { RedirectStandardError = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("there is no bash");
        }

        using (process)
        {
            string error = process!.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, error);
        }
    }

    [GeneratedRegex(@"\[[a-z-]+\]=(\d+)")]
    private static partial Regex SecondsPattern();
}
