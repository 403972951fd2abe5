using System.ComponentModel;
using System.Diagnostics;

namespace Ds2.Tests.Distributed;

/// <summary>A job of several processes, as a launcher starts it.</summary>
internal static class MpiJob
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>Runs <c>Ds2.Bench exchange</c>; ends the test as ignored where the launcher is not installed.</summary>
    /// <param name="launcher">As Debian calls it: mpirun.openmpi or mpirun.mpich.</param>
    /// <param name="ranks">How many processes.</param>
    /// <param name="arguments">Of the exchange.</param>
    public static Result Run(string launcher, int ranks, params string[] arguments)
    {
        bool isOpenMpi = launcher == "mpirun.openmpi";
        string[] more = isOpenMpi ? ["--oversubscribe"] : [];
        var start = new ProcessStartInfo(launcher, [.. more, "-n", $"{ranks}", "dotnet", typeof(Ds2.Bench.Program).Assembly.Location, "exchange", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        // Open MPI gives processes a terminal, which .NET would send its control sequences.
        start.Environment["TERM"] = "dumb";
        using Process process = Start(start, isOpenMpi ? "openmpi-bin" : "mpich");
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"has not ended within {Limit.TotalSeconds} s: {output.Result} {error.Result}");
        }

        return new Result(process.ExitCode, output.Result, error.Result);
    }

    private static Process Start(ProcessStartInfo start, string package)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Ignore($"needs {start.FileName} (Debian package {package})");
            throw;
        }
    }

    /// <summary>What became of a job.</summary>
    public sealed record Result(int Code, string Output, string Error)
    {
        /// <summary>What our processes say of their end, without the launcher's own words.</summary>
        public string[] Lines => [.. (Output + "\n" + Error).Split('\n', StringSplitOptions.TrimEntries).Where(line => line.StartsWith("ds2:", StringComparison.Ordinal))];
    }
}
