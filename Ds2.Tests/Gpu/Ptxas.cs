using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Ds2.Tests.Gpu;

/// <summary>What a kernel's machine code needs, as the assembler reports it.</summary>
/// <param name="Registers">Registers a thread.</param>
/// <param name="StackBytes">Stack frame of a thread: local arrays that found no registers.</param>
/// <param name="SpillBytes">Stores and loads of registers that did not suffice.</param>
/// <param name="Report">All that it said.</param>
internal sealed record KernelResources(int Registers, int StackBytes, int SpillBytes, string Report);

/// <summary>NVIDIA's assembler, from the CUDA toolkit.</summary>
internal static partial class Ptxas
{
    /// <summary>Where it is, or null where it is not on the PATH.</summary>
    public static string? Path { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => System.IO.Path.Combine(folder, OperatingSystem.IsWindows() ? "ptxas.exe" : "ptxas"))
        .FirstOrDefault(File.Exists);

    /// <summary>Whether this release still assembles for a target: CUDA 13 dropped those before sm_75.</summary>
    public static bool Supports(string target) => Run("--help").Output.Contains(target, StringComparison.Ordinal);

    /// <summary>Assembles a module of one kernel.</summary>
    /// <exception cref="InvalidOperationException">The assembler refuses it; the message is the assembler's.</exception>
    public static KernelResources Assemble(string ptx, string target)
    {
        string folder = Directory.CreateTempSubdirectory("ds2-ptxas-").FullName;
        try
        {
            string source = System.IO.Path.Combine(folder, "kernel.ptx");
            File.WriteAllText(source, ptx);
            (int exitCode, string output) = Run($"-arch={target}", "-v", "-o", System.IO.Path.Combine(folder, "kernel.cubin"), source);
            if (exitCode != 0)
                throw new InvalidOperationException(output);
            return new KernelResources(
                Sum(RegistersPattern(), output), Sum(StackPattern(), output), Sum(SpillPattern(), output), output);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (int ExitCode, string Output) Run(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Path!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.Result + error);
    }

    private static int Sum(Regex number, string text) => number.Matches(text).Sum(match => int.Parse(match.Groups[1].Value));

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex RegistersPattern();

    [GeneratedRegex(@"(\d+) bytes stack frame")]
    private static partial Regex StackPattern();

    [GeneratedRegex(@"(\d+) bytes spill")]
    private static partial Regex SpillPattern();
}
