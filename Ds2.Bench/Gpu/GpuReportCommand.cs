using System.CommandLine;
using Ds2.Runtime;

namespace Ds2.Bench.Gpu;

/// <summary><c>gpu-report</c>: what every kernel becomes on a GPU, without one.</summary>
internal static class GpuReportCommand
{
    public static Command Create()
    {
        var arch = new Option<string>("--arch") { Description = string.Join(", ", Chip.All.Select(chip => chip.Target)), DefaultValueFactory = _ => Chip.P100.Target };
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("gpu-report", "What every GPU kernel compiles to.") { arch, json };
        command.SetAction(parsed =>
        {
            string target = parsed.GetRequiredValue(arch);
            Chip chip = Chip.All.FirstOrDefault(chip => chip.Target == target)
                ?? throw new InputException($"--arch {target}: the architectures are {string.Join(", ", Chip.All.Select(chip => chip.Target))}");
            IReadOnlyList<CompiledKernel> kernels = CompileAll(chip);
            Console.WriteLine(parsed.GetValue(json) ? GpuReport.Of(chip, kernels).ToJson() : KernelTable.ToText(chip, kernels));
        });
        return command;
    }

    private static IReadOnlyList<CompiledKernel> CompileAll(Chip chip)
    {
        // One line that counts, where somebody watches; in a log, one line.
        bool watched = !Console.IsErrorRedirected;
        if (!watched)
            Console.Error.WriteLine($"compiling the kernels for {chip.Target}");
        IReadOnlyList<CompiledKernel> kernels = CompiledKernel.CompileAll(chip, (done, all) =>
        {
            if (watched)
                Console.Error.Write($"\rcompiling for {chip.Target}: {done}/{all}");
        });
        if (watched)
            Console.Error.WriteLine();
        return kernels;
    }
}
