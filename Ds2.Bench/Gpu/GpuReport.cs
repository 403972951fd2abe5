using System.Text.Json;
using System.Text.Json.Serialization;
using Ds2.Bench.Gpu.Estimate;

namespace Ds2.Bench.Gpu;

/// <summary>The report for programs.</summary>
/// <param name="Arch">What the kernels were compiled for.</param>
/// <param name="Missing">Why there are no figures of the machine code, or null where there are.</param>
/// <param name="Kernels">Each kernel, by name.</param>
/// <param name="Step">What a training step should take, if asked for.</param>
/// <param name="Scaling">What it should take with several ranks, if asked for.</param>
internal sealed record GpuReport(
    string Arch, string? Missing, IReadOnlyList<KernelReport> Kernels,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] StepEstimate? Step,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ScalingEstimate? Scaling)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>The report on kernels compiled for a chip.</summary>
    public static GpuReport Of(Chip chip, IReadOnlyList<CompiledKernel> kernels, StepEstimate? step = null, ScalingEstimate? scaling = null) =>
        new(chip.Target, CudaTools.WhyNoDisassembly(chip), [.. kernels.Select(KernelReport.Of)], step, scaling);

    /// <summary>One JSON object.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);
}

/// <summary>A kernel for programs; the figures of the machine code are null without ptxas, the loop also without cuobjdump or where none has multiply-adds.</summary>
/// <param name="Name">The type and the method that it is.</param>
/// <param name="Registers">Registers a thread.</param>
/// <param name="SharedBytes">Shared memory of a group.</param>
/// <param name="StackBytes">Stack frame of a thread.</param>
/// <param name="SpillBytes">Registers stored and loaded because they did not suffice.</param>
/// <param name="Threads">Threads of a group.</param>
/// <param name="Occupancy">Warps on a multiprocessor over the most that it holds.</param>
/// <param name="PtxInstructions">Instructions of the PTX.</param>
/// <param name="MainLoop">The innermost loop with most multiply-adds.</param>
internal sealed record KernelReport(
    string Name, int? Registers, int SharedBytes, int? StackBytes, int? SpillBytes, int Threads, double? Occupancy, int PtxInstructions, InstructionMix? MainLoop)
{
    /// <summary>The report on one kernel.</summary>
    public static KernelReport Of(CompiledKernel kernel) => new(
        kernel.Name, kernel.Resources?.Registers, kernel.SharedBytes, kernel.Resources?.StackBytes, kernel.Resources?.SpillBytes, kernel.Threads,
        kernel.Occupancy, kernel.PtxInstructions, kernel.MainLoop);
}
