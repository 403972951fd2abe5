using Ds2.Bench.Gpu;

namespace Ds2.Tests.Gpu;

/// <summary>All kernels, compiled for a P100 once in a test run.</summary>
internal static class P100Kernels
{
    private static readonly Lazy<IReadOnlyList<CompiledKernel>> Compiled = new(() => CompiledKernel.CompileAll(Chip.P100));

    /// <summary>The kernels, by name.</summary>
    public static IReadOnlyList<CompiledKernel> All => Compiled.Value;
}
