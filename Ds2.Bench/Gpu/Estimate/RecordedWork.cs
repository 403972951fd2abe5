using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Gpu.Estimate;

/// <summary>The launches of single ops, recorded instead of done.</summary>
internal static class RecordedWork
{
    /// <summary>A product of plain matrices.</summary>
    public static IReadOnlyList<KernelLaunch> Product(int m, int n, int k)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        var shape = new GemmShape(m, n, k);
        using Tensor a = engine.Allocate(shape.A), b = engine.Allocate(shape.B), c = engine.Allocate(shape.C);
        Gemm.On(engine).Multiply(shape, a, b, c);
        return launches;
    }

    /// <summary>A recurrent layer, both passes.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="precision">How U is packed.</param>
    /// <param name="inOneLaunch">Whether one launch may compute all frames.</param>
    public static (IReadOnlyList<KernelLaunch> Forward, IReadOnlyList<KernelLaunch> Backward) Recurrence(
        GruShape shape, RecurrentPrecision precision = RecurrentPrecision.Fp32, bool inOneLaunch = true)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        engine.Cooperates = inOneLaunch;
        Gru gru = Gru.On(engine, precision);
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

    /// <summary>A convolution: its output, and the two gradients apart.</summary>
    public static (IReadOnlyList<KernelLaunch> Forward, IReadOnlyList<KernelLaunch> Data, IReadOnlyList<KernelLaunch> Weights) Convolution(Conv2dShape shape)
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
