using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Ops;

/// <summary>A GRU layer behind another: one direction for the full model, two for mini.</summary>
public class GruBenchmarks : OpBenchmark
{
    private Gru gru = null!;
    private Tensor x = null!, y = null!, hidden = null!, gates = null!, candidates = null!, dY = null!, dX = null!;
    private IntTensor lengths = null!;
    private GruWeights[] weights = null!, gradients = null!;

    private GruShape Shape => new(Frames, Batch, Hidden, Hidden, Model == ModelSize.Full ? 1 : 2);

    /// <summary>All frames forward.</summary>
    [Benchmark]
    public void Forward()
    {
        gru.Forward(Shape, x, lengths, weights, y, hidden, gates, candidates, Workspace);
        Engine.Synchronize();
    }

    /// <summary>Forward and backward: the backward pass uses up what forward kept.</summary>
    [Benchmark]
    public void ForwardAndBackward()
    {
        Forward();
        gru.Backward(Shape, x, lengths, weights, hidden, gates, candidates, dY, dX, gradients, Workspace);
        Engine.Synchronize();
    }

    internal override double Work(string method) => Shape.Flops * (method == nameof(Forward) ? 1 : 3);

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Prepare()
    {
        gru = Gru.On(Engine);
        x = Random(Shape.X);
        hidden = Zero(Shape.Hidden);
        y = Shape.Directions == 1 ? hidden.Reshape(Shape.Y) : Zero(Shape.Y);
        gates = Zero(Shape.Gates);
        candidates = Zero(Shape.Hidden);
        dY = Random(Shape.Y);
        dX = Zero(Shape.X);
        lengths = Counts(Frames);
        float bound = 1 / MathF.Sqrt(Hidden);
        weights = [.. Enumerable.Range(0, Shape.Directions).Select(_ => Weights(shape => Random(shape, bound)))];
        gradients = [.. Enumerable.Range(0, Shape.Directions).Select(_ => Weights(Zero))];
        Workspace.Reserve(Math.Max(gru.ForwardWorkspace(Shape), gru.BackwardWorkspace(Shape)));
        ForwardAndBackward();
        return [y, dX, gradients[0].Input, gradients[0].Recurrent];
    }

    private GruWeights Weights(Func<Shape, Tensor> make) => new(make(Shape.InputWeight), make(Shape.RecurrentWeight), make(Shape.Bias), make(Shape.Bias));
}
