using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Ops;

/// <summary>The normalisation behind the first convolution, the largest activation of the model.</summary>
public class BatchNormBenchmarks : OpBenchmark
{
    private BatchNorm norm = null!;
    private Tensor x = null!, y = null!, dY = null!, dX = null!, weight = null!, bias = null!, runningMean = null!, runningVariance = null!;
    private Tensor mean = null!, inverseDeviation = null!, dWeight = null!, dBias = null!;
    private IntTensor lengths = null!;

    private BatchNormShape Shape => new(BatchNormLayout.ChannelsFirst, Batch, 32, Rows.Middle, MiddleFrames);

    internal override Bound BoundOf(string method) => Bound.Copying;

    /// <summary>Statistics and normalisation.</summary>
    [Benchmark]
    public void Forward()
    {
        norm.Forward(
            Shape, x, lengths, weight, bias, runningMean, runningVariance, 0.1f, 1e-5f, y, mean, inverseDeviation, Workspace);
        Engine.Synchronize();
    }

    /// <summary>All gradients.</summary>
    [Benchmark]
    public void Backward()
    {
        norm.Backward(Shape, x, lengths, weight, mean, inverseDeviation, dY, dX, dWeight, dBias, Workspace);
        Engine.Synchronize();
    }

    // Backward reads x and dY twice and writes dX: five passes where forward makes three.
    internal override double Work(string method) => Shape.Bytes * (method == nameof(Forward) ? 1 : 5.0 / 3);

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Prepare()
    {
        norm = BatchNorm.On(Engine);
        var features = new Shape(Shape.C);
        x = Random(Shape.X);
        y = Zero(Shape.X);
        dY = Random(Shape.X);
        dX = Zero(Shape.X);
        weight = Random(features);
        bias = Random(features);
        runningMean = Zero(features);
        runningVariance = Zero(features);
        mean = Zero(features);
        inverseDeviation = Zero(features);
        dWeight = Zero(features);
        dBias = Zero(features);
        lengths = Counts(MiddleFrames);
        Workspace.Reserve(norm.WorkspaceFor(Shape));
        Forward();
        Backward();
        return [y, dX, dWeight, dBias];
    }
}
