using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Ds2.Bench.Gpu;

/// <summary>What a kernel's machine code needs, as the assembler reports it.</summary>
/// <param name="Registers">Registers a thread.</param>
/// <param name="SharedBytes">Shared memory of a group.</param>
/// <param name="StackBytes">Stack frame of a thread: local arrays that found no registers.</param>
/// <param name="SpillBytes">Stores and loads of registers that did not suffice.</param>
internal sealed record KernelResources(int Registers, int SharedBytes, int StackBytes, int SpillBytes);

/// <summary>NVIDIA's assembler and disassembler, from the CUDA toolkit; neither needs a GPU.</summary>
internal static partial class CudaTools
{
    private static readonly string? Ptxas = Find("ptxas");
    private static readonly string? Cuobjdump = Find("cuobjdump");
    private static readonly Lazy<string> PtxasHelp = new(() => Run(Ptxas!, "--help"));
    private static readonly Lazy<string> PtxasVersion = new(() => Run(Ptxas!, "--version"));

    /// <summary>Why nothing can be assembled for a GPU, or null where it can. CUDA 13 dropped what is older than sm_75.</summary>
    public static string? WhyNoAssembly(Chip chip) =>
        Ptxas is null ? "ptxas (CUDA toolkit) is not on the PATH"
        : !PtxasHelp.Value.Contains(chip.Target, StringComparison.Ordinal) ? $"this ptxas does not assemble for {chip.Target}; CUDA 11.8 does"
        : null;

    /// <summary>Whether the assembler is there and of a release of CUDA, such as 11.8.</summary>
    public static bool IsRelease(string release) => Ptxas is not null && PtxasVersion.Value.Contains($"release {release},", StringComparison.Ordinal);

    /// <summary>Why nothing can be disassembled, or null where it can.</summary>
    public static string? WhyNoDisassembly(Chip chip) =>
        WhyNoAssembly(chip) ?? (Cuobjdump is null ? "cuobjdump (CUDA toolkit) is not on the PATH" : null);

    /// <summary>Assembles a module of one kernel.</summary>
    /// <returns>What it needs, and its machine code as text, or null without a disassembler.</returns>
    /// <exception cref="InvalidOperationException">The assembler refuses it; the message is the assembler's.</exception>
    public static (KernelResources Resources, string? Sass) Assemble(string ptx, Chip chip)
    {
        string folder = Directory.CreateTempSubdirectory("ds2-ptxas-").FullName;
        try
        {
            string source = Path.Combine(folder, "kernel.ptx"), code = Path.Combine(folder, "kernel.cubin");
            File.WriteAllText(source, ptx);
            string report = Run(Ptxas!, $"-arch={chip.Target}", "-v", "-o", code, source);
            return (ParseReport(report), Cuobjdump is null ? null : Run(Cuobjdump, "-sass", code));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Reads what <c>ptxas -v</c> prints.</summary>
    public static KernelResources ParseReport(string report) => new(
        Sum(RegistersPattern(), report), Sum(SharedPattern(), report), Sum(StackPattern(), report), Sum(SpillPattern(), report));

    private static string? Find(string tool) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() ? $"{tool}.exe" : tool))
            .FirstOrDefault(File.Exists);

    private static string Run(string tool, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        string all = output.Result + error;
        return process.ExitCode == 0 ? all : throw new InvalidOperationException($"{tool}: {all.Trim()}");
    }

    private static int Sum(Regex number, string text) => number.Matches(text).Sum(match => int.Parse(match.Groups[1].Value));

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex RegistersPattern();

    [GeneratedRegex(@"(\d+) bytes smem")]
    private static partial Regex SharedPattern();

    [GeneratedRegex(@"(\d+) bytes stack frame")]
    private static partial Regex StackPattern();

    [GeneratedRegex(@"(\d+) bytes spill")]
    private static partial Regex SpillPattern();
}
