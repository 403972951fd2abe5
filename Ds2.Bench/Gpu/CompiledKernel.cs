using System.Reflection;
using System.Text.RegularExpressions;
using Ds2.Kernels.Engines.Ilgpu;

namespace Ds2.Bench.Gpu;

/// <summary>A kernel as it is compiled for a GPU.</summary>
/// <param name="Name">The type and the method that it is.</param>
/// <param name="Chip">What it was compiled for.</param>
/// <param name="Threads">Threads of a group.</param>
/// <param name="Ptx">Its code before the assembler.</param>
/// <param name="Resources">What it needs, or null where it was not assembled.</param>
/// <param name="Code">Its machine code and the loops in it, or null where it was not disassembled.</param>
internal sealed partial record CompiledKernel(
    string Name, Chip Chip, int Threads, string Ptx, KernelResources? Resources, CodeLoop? Code)
{
    /// <summary>Shared memory of a group, which PTX declares.</summary>
    public int SharedBytes => Resources?.SharedBytes ?? SharedPattern().Matches(Ptx).Sum(match => int.Parse(match.Groups[1].Value));

    /// <summary>Instructions of the PTX.</summary>
    public int PtxInstructions => PtxInstructionPattern().Count(Ptx);

    /// <summary>The innermost loop with most multiply-adds, or null where there is none.</summary>
    public InstructionMix? MainLoop => Code?.ArithmeticLoops.MaxBy(loop => loop.Ffma);

    /// <summary>Warps on a multiprocessor over the most that it holds, or null where the registers are not known.</summary>
    public double? Occupancy => Resources is null ? null : Chip.Occupancy(Resources.Registers, Resources.SharedBytes, Threads);

    /// <summary>The name of a kernel.</summary>
    public static string NameOf(MethodInfo kernel) => $"{kernel.DeclaringType!.Name}.{kernel.Name}";

    /// <summary>Compiles one kernel, and assembles and disassembles it with what is there.</summary>
    /// <exception cref="InvalidOperationException">The assembler refuses it.</exception>
    public static CompiledKernel Compile(MethodInfo kernel, PtxCompiler compiler, Chip chip)
    {
        string ptx = compiler.Compile(kernel, chip);
        (KernelResources? resources, string? sass) = CudaTools.WhyNoAssembly(chip) is null ? CudaTools.Assemble(ptx, chip) : (null, null);
        return new CompiledKernel(
            NameOf(kernel), chip, GpuKernels.Specialization(kernel).MaxNumThreadsPerGroup!.Value, ptx, resources,
            sass is null ? null : CodeLoop.Of(Sass.Parse(sass)));
    }

    /// <summary>Compiles all kernels, several at a time.</summary>
    /// <param name="chip">The GPU.</param>
    /// <param name="progress">Told how many are done, of how many.</param>
    /// <exception cref="InvalidOperationException">The assembler refuses one.</exception>
    public static IReadOnlyList<CompiledKernel> CompileAll(Chip chip, Action<int, int>? progress = null)
    {
        using var compiler = new PtxCompiler();
        IReadOnlyList<MethodInfo> kernels = GpuKernels.All();
        int done = 0;
        return [.. kernels.AsParallel().AsOrdered().Select(kernel =>
        {
            CompiledKernel compiled = Compile(kernel, compiler, chip);
            progress?.Invoke(Interlocked.Increment(ref done), kernels.Count);
            return compiled;
        })];
    }

    [GeneratedRegex(@"(?m)^\s*\.shared\b[^;\[]*\[(\d+)\]")]
    private static partial Regex SharedPattern();

    [GeneratedRegex(@"(?m)^\s+(@!?%\w+\s+)?[a-z][\w.]*(\s[^;:]*)?;")]
    private static partial Regex PtxInstructionPattern();
}
