using System.CommandLine;
using Ds2.Bench.Gpu.Estimate;
using Ds2.Bench.Step;
using Ds2.Runtime;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Gpu;

/// <summary><c>gpu-report</c>: what every kernel becomes on a GPU, without one.</summary>
internal static class GpuReportCommand
{
    public static Command Create()
    {
        var arch = new Option<string>("--arch") { Description = string.Join(", ", Chip.All.Select(chip => chip.Target)), DefaultValueFactory = _ => Chip.P100.Target };
        var step = new Option<bool>("--step") { Description = "estimate also what a training step takes on a P100" };
        (Option<string> preset, Option<string[]> set) = ModelArguments.Create("mlperf");
        var batch = new Option<int>("--batch") { Description = "of the step: utterances", DefaultValueFactory = _ => 8 };
        var frames = new Option<int>("--frames") { Description = "of the step: feature frames of each utterance, 10 ms apart", DefaultValueFactory = _ => 1230 };
        var labels = new Option<int>("--labels") { Description = "of the step: labels of each text", DefaultValueFactory = _ => 60 };
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("gpu-report", "What every GPU kernel compiles to.") { arch, step, preset, set, batch, frames, labels, json };
        command.SetAction(parsed =>
        {
            string target = parsed.GetRequiredValue(arch);
            Chip chip = Chip.All.FirstOrDefault(chip => chip.Target == target)
                ?? throw new InputException($"--arch {target}: the architectures are {string.Join(", ", Chip.All.Select(chip => chip.Target))}");
            RunOptions? options = parsed.GetValue(step) ? ModelArguments.Read(parsed, preset, set) : null;
            if (options is not null && chip != Chip.P100)
                throw new InputException($"--step estimates for a P100: --arch {Chip.P100.Target}");
            if (options is not null && CudaTools.WhyNoDisassembly(chip) is string missing)
                throw new InputException($"--step needs the machine code: {missing}");
            IReadOnlyList<CompiledKernel> kernels = CompileAll(chip);
            StepEstimate? estimate = options is null
                ? null
                : StepEstimate.Of(options, parsed.GetValue(batch), parsed.GetValue(frames), parsed.GetValue(labels), kernels);
            if (parsed.GetValue(json))
                Console.WriteLine(GpuReport.Of(chip, kernels, estimate).ToJson());
            else
                Console.WriteLine(KernelTable.ToText(chip, kernels) + (estimate is null ? "" : $"\n\n{estimate.ToText()}"));
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
