namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Marks a static method as the entry point of an explicitly grouped GPU kernel, and says how many threads a group of it has.</summary>
/// <remarks>
/// The number becomes <c>.maxntid</c> in PTX, from which the assembler derives how many registers a thread may have; a launch must not exceed it.
/// Groups are one-dimensional. <see cref="GpuKernels.All"/> finds all marked methods, so that tests compile each of them for the target GPU.
/// </remarks>
/// <param name="threads">Threads of a group, a multiple of 32.</param>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class GpuKernelAttribute(int threads) : Attribute
{
    /// <summary>Threads of a group.</summary>
    public int Threads { get; } = threads;

    /// <summary>Groups that should fit a multiprocessor at the same time; 0 leaves it to the assembler.</summary>
    public int GroupsPerMultiprocessor { get; init; }

    /// <summary>Whether its groups wait for each other, so that it runs as a <see cref="CooperativeKernel"/> alone. It says how many groups a multiprocessor holds.</summary>
    public bool IsCooperative { get; init; }

    /// <summary>Whether it converts from half precision: some OpenCL devices cannot.</summary>
    public bool NeedsHalf { get; init; }
}
