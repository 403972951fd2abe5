using System.ComponentModel;
using System.Diagnostics;

namespace Ds2.Tests.Distributed;

/// <summary>A job of several processes, as a launcher starts it.</summary>
internal static class MpiJob
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
            IgnoreFor(launcher);
    }

    /// <summary>Starts a program; ends the test as ignored where the launcher is not installed.</summary>
    /// <param name="launcher">As Debian calls it: mpirun.openmpi or mpirun.mpich.</param>
    /// <param name="ranks">How many processes.</param>
    /// <param name="program">Its assembly.</param>
    /// <param name="arguments">The program's.</param>
    public static Running Start(string launcher, int ranks, string program, params string[] arguments)
    {
        bool isOpenMpi = launcher == "mpirun.openmpi";
        string[] more = isOpenMpi ? ["--oversubscribe"] : [];
        var start = new ProcessStartInfo(launcher, [.. more, "-n", $"{ranks}", "dotnet", program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        // Open MPI gives processes a terminal, which .NET would send its control sequences.
        start.Environment["TERM"] = "dumb";
        try
        {
            return new Running(Process.Start(start)!);
        }
        catch (Win32Exception)
        {
            IgnoreFor(launcher);
            throw;
        }
    }

    private static void IgnoreFor(string launcher) => Assert.Ignore($"needs {launcher} (Debian package {(launcher == "mpirun.openmpi" ? "openmpi-bin" : "mpich")})");

    /// <summary>A job that goes on.</summary>
    public sealed class Running : IDisposable
    {
        private readonly Process launcher;
        private readonly Task<string> output, error;

        public Running(Process launcher)
        {
            this.launcher = launcher;
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
