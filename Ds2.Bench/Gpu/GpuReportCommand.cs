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
        var ranks = new Option<int?>("--ranks") { Description = "estimate also the step of 1, 2, 4 … and of so many ranks, each with a P100 and such a batch, and days for ten epochs of LibriSpeech", HelpName = "N" };
        var link = new Option<double?>("--link") { CustomParser = NumberOptions.OneOrNone, Description = "of ranks: GB/s that each sends, and beside that receives, as 1.1 over 10 Gb Ethernet or 11 over 100 Gb InfiniBand", HelpName = "GBps" };
        var copy = new Option<double>("--copy") { CustomParser = NumberOptions.One, Description = "of ranks: GB/s between a GPU and its host, each way; 0 where the link reaches the GPU's own memory", DefaultValueFactory = _ => 12, HelpName = "GBps" };
        var latency = new Option<double>("--latency-us") { CustomParser = NumberOptions.One, Description = "of ranks: microseconds that a message takes besides its bytes", HelpName = "US" };
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("gpu-report", "What every GPU kernel compiles to.") { arch, step, preset, set, batch, frames, labels, ranks, link, copy, latency, json };
        command.SetAction(parsed =>
        {
            string target = parsed.GetRequiredValue(arch);
            Chip chip = Chip.All.FirstOrDefault(chip => chip.Target == target)
                ?? throw new InputException($"--arch {target}: the architectures are {string.Join(", ", Chip.All.Select(chip => chip.Target))}");
            RunOptions? options = parsed.GetValue(step) ? ModelArguments.Read(parsed, preset, set) : null;
            if (options is not null && chip != Chip.P100)
                throw new InputException($"--step estimates for a P100: --arch {Chip.P100.Target}");
            Link? between = LinkBetween(parsed.GetValue(ranks), parsed.GetValue(link), parsed.GetValue(copy), parsed.GetValue(latency), options);
            int utterances = StepOptions.AtLeast(1, batch, parsed), length = StepOptions.AtLeast(1, frames, parsed), text = StepOptions.AtLeast(0, labels, parsed);
            if (options is not null && CudaTools.WhyNoDisassembly(chip) is string missing)
                throw new InputException($"--step needs the machine code: {missing}");
            IReadOnlyList<CompiledKernel> kernels = CompileAll(chip);
            StepEstimate? estimate = options is null
                ? null
                : StepEstimate.Of(options, utterances, length, text, kernels);
            ScalingEstimate? scaling = between is null
                ? null
                : ScalingEstimate.Of(StepTimes.Of(options!, utterances, length, text, kernels), utterances, parsed.GetValue(ranks)!.Value, between);
            if (parsed.GetValue(json))
                Console.WriteLine(GpuReport.Of(chip, kernels, estimate, scaling).ToJson());
            else
                Console.WriteLine(string.Join("\n\n", new[] { KernelTable.ToText(chip, kernels), estimate?.ToText(), scaling?.ToText() }.Where(part => part is not null)));
        });
        return command;
    }

    /// <summary>What the options say of the way between ranks; null where no ranks are asked for.</summary>
    /// <exception cref="InputException">They say nothing of use.</exception>
    private static Link? LinkBetween(int? ranks, double? link, double copy, double latency, RunOptions? options)
    {
        if (ranks is null)
            return link is null ? null : throw new InputException($"--link {link}: is between ranks, and --ranks is not given");
        if (ranks < 1)
            throw new InputException($"--ranks {ranks}: must be at least 1");
        if (options is null)
            throw new InputException($"--ranks {ranks}: is of the estimate of a step, and --step is not given");
        if (Optimizer.TakesMatrices(options.Training))
            throw new InputException($"--ranks {ranks}: the estimate is for equal shares, and this optimiser's are whole matrices; --set optimizer=sgd or adamw");
        if (link is not double rate)
            throw new InputException($"--ranks {ranks}: needs --link, the GB/s between them");
        // Written so that what is no number fails.
        if (!(rate > 0 && double.IsFinite(rate)))
            throw new InputException($"--link {rate}: must be above 0 GB/s");
        if (!(copy >= 0 && double.IsFinite(copy)))
            throw new InputException($"--copy {copy}: must be at least 0 GB/s");
        if (!(latency >= 0 && double.IsFinite(latency)))
            throw new InputException($"--latency-us {latency}: must be at least 0");
        return new Link(1e9 * rate, copy == 0 ? null : 1e9 * copy, 1e-6 * latency);
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
