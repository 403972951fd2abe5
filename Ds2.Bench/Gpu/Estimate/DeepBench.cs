using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>The same work that DeepBench timed on a P100, estimated for our kernels.</summary>
/// <remarks>Source of the times: Baidu Research, DeepBench, results of the P100 with cuDNN 6 and cuBLAS 8, fp32.</remarks>
internal static class DeepBench
{
    /// <summary>Each piece of work: NVIDIA's measured time and our estimated one.</summary>
    public static IReadOnlyList<Comparison> Compare(IReadOnlyList<CompiledKernel> kernels)
    {
        (IReadOnlyList<KernelLaunch> gruForward, IReadOnlyList<KernelLaunch> gruBackward) = RecordedWork.Recurrence(new GruShape(T: 375, N: 32, I: 0, H: 2560));
        (IReadOnlyList<KernelLaunch> forward, IReadOnlyList<KernelLaunch> data, IReadOnlyList<KernelLaunch> weights) =
            RecordedWork.Convolution(new Conv2dShape(N: 8, C: 32, H: 79, W: 341, K: 32, R: 10, S: 5, StrideH: 2, StrideW: 2));
        return
        [
            Of("product 7680 x 24000 x 2560", 2 * 7680e-9 * 24000 * 2560 / 9.1e3, RecordedWork.Product(7680, 24000, 2560)),
            Of("product 7680 x 32 x 2560", 0.19e-3, RecordedWork.Product(7680, 32, 2560)),
            Of("product 7680 x 16 x 2560", 0.53e-3, RecordedWork.Product(7680, 16, 2560)),
            Of("GRU 2560, batch 32, 375 frames: forward", 159e-3, gruForward.Where(IsOf<GruForwardKernel>)),
            Of("GRU backward, data", 376e-3, gruBackward.Where(IsOf<GruBackwardKernel>)),
            Of("GRU backward, weights", 55e-3, gruBackward.Where(launch => !IsOf<GruBackwardKernel>(launch))),
            Of("convolution 341 x 79 x 32 -> 32, 5 x 10, stride 2, batch 8: forward", 0.83e-3, forward),
            Of("convolution backward, data", 2.9e-3, data),
            Of("convolution backward, weights", 0.83e-3, weights),
        ];

        Comparison Of(string work, double measured, IEnumerable<KernelLaunch> launches)
        {
            LaunchTimes times = LaunchTimes.Sum(work, LaunchTimes.Of(launches, kernels));
            return new Comparison(work, measured, times.RooflineSeconds, times.OptimisticSeconds, times.EstimatedSeconds);
        }
    }

    private static bool IsOf<TKernel>(KernelLaunch launch) => launch.Kernel.DeclaringType == typeof(TKernel);
}

/// <summary>A piece of work: what others measured and what we expect.</summary>
/// <param name="Work">What is computed.</param>
/// <param name="MeasuredSeconds">NVIDIA's libraries on a P100, measured.</param>
/// <param name="RooflineSeconds">What no kernel can beat.</param>
/// <param name="OptimisticSeconds">Our kernels on a P100, estimated at best.</param>
/// <param name="EstimatedSeconds">The same at the pessimistic end.</param>
internal sealed record Comparison(string Work, double MeasuredSeconds, double RooflineSeconds, double OptimisticSeconds, double EstimatedSeconds);
