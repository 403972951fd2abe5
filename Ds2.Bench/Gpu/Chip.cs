using ILGPU.Runtime.Cuda;

namespace Ds2.Bench.Gpu;

/// <summary>A GPU that kernels are compiled for, and what a multiprocessor of it holds; all of them have 65,536 registers, 64 warps and 32 groups a multiprocessor.</summary>
/// <remarks>Source: NVIDIA, "CUDA C++ Programming Guide", table of technical specifications per compute capability, and the occupancy calculator.</remarks>
/// <param name="Name">What it is sold as.</param>
/// <param name="Architecture">ILGPU's name of its instruction set.</param>
/// <param name="PtxVersion">The oldest PTX version that knows it.</param>
/// <param name="SharedBytes">Shared memory of a multiprocessor.</param>
/// <param name="SharedUnit">A group's shared memory is rounded up to this.</param>
/// <param name="SharedReserved">Bytes that the system takes of each group's share.</param>
/// <param name="Partitions">Parts of a multiprocessor, each of which has its own registers.</param>
internal sealed record Chip(
    string Name, CudaArchitecture Architecture, CudaInstructionSet PtxVersion, int SharedBytes, int SharedUnit, int SharedReserved, int Partitions)
{
    private const int Registers = 65536;
    private const int RegisterUnit = 256;
    private const int Warps = 64;
    private const int Groups = 32;

    /// <summary>The target of Ds2's kernels.</summary>
    public static Chip P100 { get; } = new("P100", CudaArchitecture.SM_60, CudaInstructionSet.ISA_60, 64 << 10, 256, 0, 2);

    /// <summary>The GPUs that all kernels must compile for, oldest first.</summary>
    public static IReadOnlyList<Chip> All { get; } =
    [
        P100,
        new("V100", CudaArchitecture.SM_70, CudaInstructionSet.ISA_60, 96 << 10, 256, 0, 4),
        new("A100", CudaArchitecture.SM_80, CudaInstructionSet.ISA_70, 164 << 10, 128, 1 << 10, 4),
        new("H100", CudaArchitecture.SM_90, CudaInstructionSet.ISA_78, 228 << 10, 128, 1 << 10, 4),
    ];

    /// <summary>60 for a P100.</summary>
    public int ComputeCapability => 10 * Architecture.Major + Architecture.Minor;

    /// <summary>NVIDIA's name of its instruction set: sm_60 for a P100.</summary>
    public string Target => $"sm_{ComputeCapability}";

    /// <summary>Warps that a multiprocessor can hold at a time, over the most it could: what limits are registers, shared memory, warps and groups.</summary>
    /// <param name="registers">Registers a thread.</param>
    /// <param name="sharedBytes">Shared memory of a group.</param>
    /// <param name="threads">Threads of a group.</param>
    public double Occupancy(int registers, int sharedBytes, int threads)
    {
        int warps = (threads + 31) / 32;
        int warpsByRegisters = Registers / RoundUp(32 * Math.Max(registers, 1), RegisterUnit) / Partitions * Partitions;
        int byShared = SharedBytes / Math.Max(RoundUp(sharedBytes + SharedReserved, SharedUnit), 1);
        int groups = Math.Min(Math.Min(Groups, byShared), Math.Min(Warps, warpsByRegisters) / warps);
        return (double)groups * warps / Warps;
    }

    private static int RoundUp(int value, int unit) => (value + unit - 1) / unit * unit;
}
