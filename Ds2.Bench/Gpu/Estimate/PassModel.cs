using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>How long a launch should take on a P100 whose groups compute frame after frame and wait for each other in between. The constants are assumptions.</summary>
/// <remarks>
/// A direction's frame is a chain: its groups wait for each other, read what the others left from the second-level cache, multiply, add up, and make states or gradients. The directions do not wait for each other: while one
/// of them waits, the other computes, until the multiprocessors or the cache have no time left.
/// </remarks>
internal static class PassModel
{
    /// <summary>From the last group's arrival at a barrier to all going on: a fence, an atomic and a look at the counter, each to the second-level cache and back, and dozens of groups at one counter.</summary>
    public const double Barrier = 1.8e-6;

    /// <summary>Into and out of shared memory, group barriers, the gates of one unit or the sums of its parts: some 600 cycles that nothing hides.</summary>
    private const double Between = 0.5e-6;

    /// <summary>From a load to its value in the second-level cache, with others waiting.</summary>
    private const double CacheLatency = 0.3e-6;

    /// <summary>Multiply-adds a cycle and scheduler while a group computes: of a warp's some 700 instructions a frame (SASS, pairs counted once) 384 are the product's, backward 480 of 800; and where register-bank conflicts cost a cycle each.</summary>
    private const double IssueShare = 0.6, IssueShareWithConflicts = 0.48;

    /// <summary>In seconds.</summary>
    public static double Seconds(KernelLaunch launch, GruPass pass, double computedFlops, Reading reading)
    {
        int directions = launch.Grid.GridDim.Z, groups = launch.Grid.GridDim.X;
        double busiest = Math.Ceiling((double)groups * directions / P100Model.Multiprocessors);
        double multiply = computedFlops / pass.T / (groups * directions) / (2 * 64 * P100Model.ClockHertz * (reading.ConflictsCost ? IssueShareWithConflicts : IssueShare)); // a group, alone on its multiprocessor

        // Forward a group reads all states; backward it writes a part of all gradients as well.
        double crossing = 4.0 * GruPassKernel.Utterances * pass.H * (launch.Kernel.DeclaringType == typeof(GruForwardPassKernel) ? 1 : 2);
        double cache = groups * crossing / P100Model.CacheBandwidth;
        double chain = Barrier + CacheLatency + cache + multiply + Between;
        return pass.T * Math.Max(chain, Math.Max(busiest * multiply, directions * cache));
    }
}
