using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Ops;

/// <summary>The products of a GRU layer over all frames: forward (NT), data gradient (NN), weight gradient (TN); and one frame's, which has to read the weight.</summary>
public class GemmBenchmarks : OpBenchmark
{
    private Gemm gemm = null!;
    private Tensor x = null!, weight = null!, y = null!, dX = null!, dWeight = null!, frame = null!, frameY = null!;

    private GemmShape ForwardShape => new(Frames * Batch, 3 * Hidden, Hidden, TransposeB: true);

    private GemmShape FrameShape => ForwardShape with { M = Batch };

    private GemmShape DataShape => new(Frames * Batch, Hidden, 3 * Hidden);

    private GemmShape WeightShape => new(3 * Hidden, Hidden, Frames * Batch, TransposeA: true);

    /// <summary>Y = X Wᵀ.</summary>
    [Benchmark]
    public void Forward()
    {
        gemm.Multiply(ForwardShape, x, weight, y);
        Engine.Synchronize();
    }

    /// <summary>dX = dY W.</summary>
    [Benchmark]
    public void DataGradient()
    {
        gemm.Multiply(DataShape, y, weight, dX);
        Engine.Synchronize();
    }

    /// <summary>dW = dYᵀ X.</summary>
    [Benchmark]
    public void WeightGradient()
    {
        gemm.Multiply(WeightShape, y, x, dWeight);
        Engine.Synchronize();
    }

    /// <summary>Y = X Wᵀ for one frame of every utterance.</summary>
    [Benchmark]
    public void Frame()
    {
        gemm.Multiply(FrameShape, frame, weight, frameY);
        Engine.Synchronize();
    }

    internal override Bound BoundOf(string method) => method == nameof(Frame) ? Bound.Reading : Bound.Arithmetic;

    internal override double Work(string method) => method == nameof(Frame) ? 4.0 * FrameShape.B.Length : ForwardShape.Flops;

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Prepare()
    {
        gemm = Gemm.On(Engine);
        x = Random(ForwardShape.A);
        weight = Random(ForwardShape.B, 0.1f);
        y = Zero(ForwardShape.C);
        dX = Zero(DataShape.C);
        dWeight = Zero(WeightShape.C);
        frame = Random(FrameShape.A);
        frameY = Zero(FrameShape.C);
        Forward();
        DataGradient();
        WeightGradient();
        Frame();
        return [y, dX, dWeight, frameY];
    }
}
