using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Ops;

/// <summary>The first convolution, 41 x 11 with stride 2 x 2: its input gradient is not needed.</summary>
public class FirstConv2dBenchmarks : ConvBenchmarks
{
    private protected override Conv2dShape Shape => new(Batch, 1, Rows.Input, InputFrames, 32, 41, 11, 2, 2, Model == ModelSize.Full ? 0 : 20);

    private protected override bool NeedsInputGradient => false;
}

/// <summary>The second convolution, 21 x 11 with stride 2 x 1: the costliest op of a small model.</summary>
public class SecondConv2dBenchmarks : ConvBenchmarks
{
    private protected override Conv2dShape Shape => new(Batch, 32, Rows.Middle, MiddleFrames, 32, 21, 11, 2, 1, Model == ModelSize.Full ? 0 : 10);

    private protected override bool NeedsInputGradient => true;
}

/// <summary>A convolution, forward and backward.</summary>
public abstract class ConvBenchmarks : OpBenchmark
{
    private Conv2d conv = null!;
    private Tensor x = null!, weight = null!, bias = null!, y = null!, dWeight = null!, dBias = null!;
    private Tensor? dX;

    private protected abstract Conv2dShape Shape { get; }

    private protected abstract bool NeedsInputGradient { get; }

    /// <summary>y.</summary>
    [Benchmark]
    public void Forward()
    {
        conv.Forward(Shape, x, weight, bias, y, Workspace);
        Engine.Synchronize();
    }

    /// <summary>dWeight, dBias, and dX where it is needed.</summary>
    [Benchmark]
    public void Backward()
    {
        conv.Backward(Shape, x, weight, y, dX, dWeight, dBias, Workspace);
        Engine.Synchronize();
    }

    internal override double Work(string method) =>
        Shape.Flops * (method == nameof(Forward) ? 1 : NeedsInputGradient ? 2 : 1);

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Prepare()
    {
        conv = Conv2d.On(Engine);
        x = Random(Shape.X);
        weight = Random(Shape.Weight, 0.1f);
        bias = Random(new Shape(Shape.K));
        y = Zero(Shape.Y);
        dX = NeedsInputGradient ? Zero(Shape.X) : null;
        dWeight = Zero(Shape.Weight);
        dBias = Zero(new Shape(Shape.K));
        Workspace.Reserve(Math.Max(conv.ForwardWorkspace(Shape), conv.BackwardWorkspace(Shape)));
        Forward();
        Backward();
        return dX is null ? [y, dWeight, dBias] : [y, dWeight, dBias, dX];
    }
}
