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
        (IReadOnlyList<KernelLaunch> gruForward, IReadOnlyList<KernelLaunch> gruBackward) = Recurrence(new GruShape(T: 375, N: 32, I: 0, H: 2560));
        (IReadOnlyList<KernelLaunch> forward, IReadOnlyList<KernelLaunch> data, IReadOnlyList<KernelLaunch> weights) =
            Convolution(new Conv2dShape(N: 8, C: 32, H: 79, W: 341, K: 32, R: 10, S: 5, StrideH: 2, StrideW: 2));
        return
        [
            Of("product 7680 x 24000 x 2560", 2 * 7680e-9 * 24000 * 2560 / 9.1e3, Product(7680, 24000, 2560)),
            Of("product 7680 x 32 x 2560", 0.19e-3, Product(7680, 32, 2560)),
            Of("product 7680 x 16 x 2560", 0.53e-3, Product(7680, 16, 2560)),
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
            return new Comparison(work, measured, times.RooflineSeconds, times.EstimatedSeconds);
        }
    }

    private static bool IsOf<TKernel>(KernelLaunch launch) => launch.Kernel.DeclaringType == typeof(TKernel);

    private static List<KernelLaunch> Product(int m, int n, int k)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        var shape = new GemmShape(m, n, k);
        using Tensor a = engine.Allocate(shape.A), b = engine.Allocate(shape.B), c = engine.Allocate(shape.C);
        Gemm.On(engine).Multiply(shape, a, b, c);
        return launches;
    }

    private static (List<KernelLaunch> Forward, List<KernelLaunch> Backward) Recurrence(GruShape shape)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        Gru gru = Gru.On(engine);
        using var workspace = new Workspace(engine);
        workspace.Reserve(Math.Max(gru.ForwardWorkspace(shape), gru.BackwardWorkspace(shape)));
        using Tensor x = engine.Allocate(shape.X), dX = engine.Allocate(shape.X), hidden = engine.Allocate(shape.Hidden), dY = engine.Allocate(shape.Y);
        using Tensor gates = engine.Allocate(shape.Gates), candidates = engine.Allocate(shape.Hidden);
        using Tensor input = engine.Allocate(shape.InputWeight), recurrent = engine.Allocate(shape.RecurrentWeight), bias = engine.Allocate(shape.Bias);
        using IntTensor lengths = engine.AllocateInt(new Shape(shape.N));
        GruWeights[] weights = [new(input, recurrent, bias, bias)];
        gru.Forward(shape, x, lengths, weights, hidden.Reshape(shape.Y), hidden, gates, candidates, workspace);
        List<KernelLaunch> forward = [.. launches];
        launches.Clear();
        gru.Backward(shape, x, lengths, weights, hidden, gates, candidates, dY, dX, weights, workspace);
        return (forward, launches);
    }

    private static (List<KernelLaunch> Forward, List<KernelLaunch> Data, List<KernelLaunch> Weights) Convolution(Conv2dShape shape)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        Conv2d convolution = Conv2d.On(engine);
        using var workspace = new Workspace(engine);
        workspace.Reserve(Math.Max(convolution.ForwardWorkspace(shape), convolution.BackwardWorkspace(shape)));
        using Tensor x = engine.Allocate(shape.X), dX = engine.Allocate(shape.X), y = engine.Allocate(shape.Y), dY = engine.Allocate(shape.Y);
        using Tensor weight = engine.Allocate(shape.Weight), dWeight = engine.Allocate(shape.Weight), bias = engine.Allocate(new Shape(shape.K));
        convolution.Forward(shape, x, weight, bias, y, workspace);
        List<KernelLaunch> forward = [.. launches];
        launches.Clear();
        convolution.Backward(shape, x, weight, dY, null, dWeight, bias, workspace);
        List<KernelLaunch> weights = [.. launches];
        launches.Clear();
        convolution.Backward(shape, x, weight, dY, dX, dWeight, bias, workspace);
        return (forward, [.. launches.Skip(weights.Count)], weights);
    }
}

/// <summary>A piece of work: what others measured and what we expect.</summary>
/// <param name="Work">What is computed.</param>
/// <param name="MeasuredSeconds">NVIDIA's libraries on a P100, measured.</param>
/// <param name="RooflineSeconds">What no kernel can beat.</param>
/// <param name="EstimatedSeconds">Our kernels on a P100, estimated.</param>
internal sealed record Comparison(string Work, double MeasuredSeconds, double RooflineSeconds, double EstimatedSeconds);
