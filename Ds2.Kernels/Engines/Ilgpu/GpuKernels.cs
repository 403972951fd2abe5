using System.Reflection;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>All GPU kernels of this assembly, and how each is compiled.</summary>
internal static class GpuKernels
{
    /// <summary>Every method marked with <see cref="GpuKernelAttribute"/>, ordered by type and name.</summary>
    public static IReadOnlyList<MethodInfo> All() =>
        [.. typeof(GpuKernels).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(method => method.GetCustomAttribute<GpuKernelAttribute>() is not null)
            .OrderBy(method => method.DeclaringType!.FullName, StringComparer.Ordinal)
            .ThenBy(method => method.Name, StringComparer.Ordinal)];

    /// <summary>The group size that a kernel is compiled for.</summary>
    /// <exception cref="ArgumentException">The method is not marked as a kernel.</exception>
    public static KernelSpecialization Specialization(MethodInfo kernel)
    {
        GpuKernelAttribute mark = kernel.GetCustomAttribute<GpuKernelAttribute>()
            ?? throw new ArgumentException($"{kernel.DeclaringType?.Name}.{kernel.Name} lacks [GpuKernel]", nameof(kernel));
        return new KernelSpecialization(mark.Threads, mark.GroupsPerMultiprocessor > 0 ? mark.GroupsPerMultiprocessor : null);
    }

    /// <summary>The settings under which every kernel is compiled, on a device or only to look at the code.</summary>
    /// <remarks>
    /// O1, not O2: ILGPU's O2 marks branches that differ between the threads of a warp as uniform, which PTX leaves undefined,
    /// and the assembler then unrolls less.
    /// </remarks>
    public static Context.Builder Configure(Context.Builder builder) =>
        builder.EnableAlgorithms().Inlining(InliningMode.Aggressive).Optimize(OptimizationLevel.O1);
}
