using System.Diagnostics;
using System.Text.RegularExpressions;
using Ds2.Tests.Layout;

namespace Ds2.Tests.Distributed;

/// <summary>A job of several processes, as a launcher starts it.</summary>
internal static partial class MpiJob
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>Runs <c>Ds2.Bench exchange</c> to its end; ends the test as ignored where the launcher is not installed.</summary>
    /// <param name="launcher">As Debian calls it: mpirun.openmpi or mpirun.mpich.</param>
    /// <param name="ranks">How many processes.</param>
    /// <param name="arguments">Of the exchange.</param>
    public static Result Run(string launcher, int ranks, params string[] arguments) => RunProgram(launcher, ranks, typeof(Ds2.Bench.Program).Assembly.Location, ["exchange", .. arguments]);

    /// <summary>Runs a program to its end; ends the test as ignored where the launcher is not installed.</summary>
    /// <param name="launcher">As Debian calls it: mpirun.openmpi or mpirun.mpich.</param>
    /// <param name="ranks">How many processes.</param>
    /// <param name="program">Its assembly.</param>
    /// <param name="arguments">The program's.</param>
    public static Result RunProgram(string launcher, int ranks, string program, params string[] arguments)
    {
        using Running job = Start(launcher, ranks, program, arguments);
        return job.End();
    }

    /// <summary>Ends the test as ignored where a launcher is not installed.</summary>
    /// <param name="launcher">As Debian calls it: mpirun.openmpi or mpirun.mpich.</param>
    public static void Require(string launcher)
    {
        if (Environment.GetEnvironmentVariable("PATH")?.Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, launcher))) != true)
            Assert.Ignore($"needs {launcher} (Debian package {(launcher == "mpirun.openmpi" ? "openmpi-bin" : "mpich")})");
    }

    /// <summary>Starts a program; ends the test as ignored where the launcher is not installed.</summary>
    /// <param name="launcher">As Debian calls it: mpirun.openmpi or mpirun.mpich.</param>
    /// <param name="ranks">How many processes.</param>
    /// <param name="program">Its assembly.</param>
    /// <param name="arguments">The program's.</param>
    public static Running Start(string launcher, int ranks, string program, params string[] arguments)
    {
        Require(launcher);
        string[] more = launcher == "mpirun.openmpi" ? ["--oversubscribe"] : [];
        return Start(launcher, [.. more, "-n", $"{ranks}", "dotnet", program, .. arguments]);
    }

    /// <summary>Runs a program to its end, with other arguments on each rank; ends the test as ignored where the launcher is not installed.</summary>
    /// <param name="launcher">As Debian calls it: mpirun.openmpi or mpirun.mpich.</param>
    /// <param name="program">Its assembly.</param>
    /// <param name="arguments">The program's, of each rank.</param>
    public static Result RunEach(string launcher, string program, params string[][] arguments) => RunEach(launcher, [.. arguments.Select(own => (string[])["dotnet", program, .. own])]);

    /// <summary>The same with a command of its own for each rank.</summary>
    public static Result RunEach(string launcher, params string[][] commands)
    {
        Require(launcher);
        string[] ranks = [.. commands.SelectMany(command => (string[])[":", "-n", "1", .. command]).Skip(1)];
        using Running job = Start(launcher, [.. launcher == "mpirun.openmpi" ? ["--oversubscribe"] : (string[])[], .. ranks]);
        return job.End();
    }

    /// <summary>Runs a program to its end on hosts that <c>data-scripts/cluster_namespaces.sh</c> makes, with a rank on each; ends the test as ignored where that cannot be done here.</summary>
    /// <param name="hosts">How many.</param>
    /// <param name="options">Of the script.</param>
    /// <param name="program">Its assembly.</param>
    /// <param name="arguments">The program's.</param>
    public static Result RunOnHosts(int hosts, string[] options, string program, params string[] arguments)
    {
        const string launcher = "mpirun.openmpi";
        Require(launcher);
        string script = Path.Combine(Repository.Require(), "data-scripts", "cluster_namespaces.sh");

        // A script that is only killed would leave its hosts.
        using Running job = Start("timeout", [$"{Limit.TotalSeconds - 10}", "bash", script, "--hosts", $"{hosts}", .. options, "--", launcher, "-n", $"{hosts}", "dotnet", program, .. arguments]);
        Result result = job.End();
        if (result.Error.Split('\n').FirstOrDefault(line => ReasonPattern().IsMatch(line)) is { } reason)
            Assert.Ignore(reason);
        return result;
    }

    [GeneratedRegex("^cluster_namespaces: (needs|cannot make) ")]
    private static partial Regex ReasonPattern();

    private static Running Start(string command, params string[] arguments)
    {
        var start = new ProcessStartInfo(command, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        // Open MPI gives processes a terminal; as a user's shell has it.
        start.Environment["TERM"] = "xterm";
        // What Open MPI's ranks share in memory stays behind when they are killed.
        string shared = Directory.CreateTempSubdirectory("ds2-mpi-").FullName;
        start.Environment["OMPI_MCA_btl_vader_backing_directory"] = shared;
        return new Running(Process.Start(start)!, shared);
    }

    /// <summary>A job that goes on.</summary>
    public sealed class Running : IDisposable
    {
        private readonly Process launcher;
        private readonly string shared;
        private readonly Task<string> output, error;

        public Running(Process launcher, string shared)
        {
            (this.launcher, this.shared) = (launcher, shared);
            launcher.StandardInput.Close();
            (output, error) = (launcher.StandardOutput.ReadToEndAsync(), launcher.StandardError.ReadToEndAsync());
        }

        /// <summary>The launcher's process.</summary>
        public int Id => launcher.Id;

        /// <summary>Waits until something is there; fails where the job ends before.</summary>
        public void WaitFor(Func<bool> condition)
        {
            long start = Stopwatch.GetTimestamp();
            while (!condition())
            {
                if (launcher.HasExited || Stopwatch.GetElapsedTime(start) > Limit)
                    Assert.Fail($"what was waited for did not come: {End()}");
                Thread.Sleep(20);
            }
        }

        /// <summary>The processes of the ranks, by a word of their command line.</summary>
        public static Process[] RanksWith(string word) =>
            [.. Process.GetProcessesByName("dotnet").Where(process => CommandLineOf(process).Split('\0') is ["dotnet", ..] words && words.Contains(word))];

        /// <summary>Waits until none of the processes is there, which must not take longer than ten seconds.</summary>
        public static void WaitForEndOf(IEnumerable<Process> processes)
        {
            long start = Stopwatch.GetTimestamp();
            foreach (Process process in processes)
                Assert.That(process.WaitForExit(TimeSpan.FromSeconds(10) - Stopwatch.GetElapsedTime(start) is { Ticks: > 0 } rest ? rest : TimeSpan.Zero), $"process {process.Id} has not ended");
        }

        /// <summary>Waits for the job's end.</summary>
        public Result End()
        {
            if (!launcher.WaitForExit(Limit))
            {
                launcher.Kill(entireProcessTree: true);
                Assert.Fail($"has not ended within {Limit.TotalSeconds} s: {output.Result} {error.Result}");
            }

            return new Result(launcher.ExitCode, output.Result, error.Result);
        }

        public void Dispose()
        {
            if (!launcher.HasExited)
                launcher.Kill(entireProcessTree: true);
            launcher.Dispose();
            Directory.Delete(shared, recursive: true);
        }

        private static string CommandLineOf(Process process)
        {
            try
            {
                return File.ReadAllText($"/proc/{process.Id}/cmdline");
            }
            catch (IOException)
            {
                return ""; // gone meanwhile
            }
        }
    }

    /// <summary>What became of a job.</summary>
    public sealed record Result(int Code, string Output, string Error)
    {
        /// <summary>What our processes say of their end, without the launcher's own words.</summary>
        public string[] Lines => [.. (Output + "\n" + Error).Split('\n', StringSplitOptions.TrimEntries).Where(line => line.StartsWith("ds2:", StringComparison.Ordinal))];
    }
}
