using System.Diagnostics;
using System.Text.RegularExpressions;

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
