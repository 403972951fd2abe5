using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class HardtanhTests(string engine) : OpTest(engine)
{
    private const float Low = 0, High = 20;

    private Hardtanh Op => Hardtanh.On(Engine);

    private int[] Lengths => IsFast ? [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 255, 256, 257, 100_003] : [0, 1, 7, 31, 32, 33, 257];

    [Test]
    public void Forward_MatchesReference()
    {
        foreach (int length in Lengths)
        {
            Tensor x = Input(new Shape(length), deviation: 15), y = Output(x.Shape);
            Op.Forward(x, Low, High, y);
            Compare.Close(y, PointwiseReference.Hardtanh(x.ToDouble(), Low, High), Tolerances.Exact);
            NextCase();
        }
    }

    [Test]
    public void Backward_OfInputOrOutput_MatchesReference()
    {
        foreach (int length in Lengths)
        {
            Tensor x = Input(new Shape(length), deviation: 15), dY = Input(x.Shape), y = Output(x.Shape), dX = Output(x.Shape), fromX = Output(x.Shape);
            Op.Forward(x, Low, High, y);
            Op.Backward(y, Low, High, dY, dX);
            Op.Backward(x, Low, High, dY, fromX);
            double[] expected = PointwiseReference.HardtanhBackward(x.ToDouble(), Low, High, dY.ToDouble());
            Compare.Close(dX, expected, Tolerances.Exact);
            Compare.Close(fromX, expected, Tolerances.Exact);
            NextCase();
        }
    }

    [Test]
    public void ForwardAndBackward_InPlace_AreTheSame()
    {
        var shape = new Shape(3, 37);
        float[] contents = Normal(shape.Length, 15), gradient = Normal(shape.Length);
        Tensor x = Accumulator(shape, contents), dY = Accumulator(shape, gradient);
        Op.Forward(x, Low, High, x);
        Op.Backward(x, Low, High, dY, dY);
        Compare.Close(x, PointwiseReference.Hardtanh(contents.ToDouble(), Low, High), Tolerances.Exact);
        Compare.Close(dY, PointwiseReference.HardtanhBackward(contents.ToDouble(), Low, High, gradient.ToDouble()), Tolerances.Exact);
    }

    [Test]
    public void ForwardAndBackward_BoundsNaNAndInfinities()
    {
        float[] x = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, Low, High, float.BitIncrement(Low), float.BitDecrement(High), -0f, 5];
        float[] ones = [1, 1, 1, 1, 1, 1, 1, 1, 1];
        var shape = new Shape(x.Length);
        Tensor y = Output(shape), dX = Output(shape);
        Op.Forward(Input(shape, x), Low, High, y);
        Op.Backward(Input(shape, x), Low, High, Input(shape, ones), dX);
        Assert.That(y.ToArray(), Is.EqualTo(new[] { float.NaN, High, Low, Low, High, float.BitIncrement(Low), float.BitDecrement(High), 0, 5 }));
        // A NaN lies beyond no bound: the gradient passes, as PyTorch's hardtanh_backward lets it.
        Assert.That(dX.ToArray(), Is.EqualTo(new float[] { 1, 0, 0, 0, 0, 1, 1, 0, 1 }));
    }

    [Test]
    public void Forward_OtherBounds_MatchReference()
    {
        Tensor x = Input(new Shape(65)), y = Output(x.Shape);
        Op.Forward(x, -0.5f, 0.25f, y);
        Compare.Close(y, PointwiseReference.Hardtanh(x.ToDouble(), -0.5, 0.25), Tolerances.Exact);
    }

    [Test]
    public void ForwardAndBackward_WrongArguments_AreRefused()
    {
        Tensor x = Input(new Shape(2, 3)), y = Output(x.Shape), other = Output(new Shape(3, 2)), shared = Output(new Shape(128));
        AssertRefused(() => Op.Forward(x, Low, High, other), "y is [3, 2]", "expected [2, 3]");
        AssertRefused(() => Op.Forward(x, High, Low, y), "bounds");
        AssertRefused(() => Op.Forward(shared.Slice(0, new Shape(70)), Low, High, shared.Slice(32, new Shape(70))), "y [70] overlaps x [70]");
        AssertRefused(() => Op.Backward(x, Low, High, y, x), "dX [2, 3] overlaps y [2, 3]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(x.Shape);
        AssertRefused(() => Op.Forward(elsewhere, Low, High, y), "x [2, 3]", Engine.Name);
    }
}

public sealed class HardtanhReferenceTests
{
    [Test]
    public void Backward_MatchesFiniteDifferences()
    {
        // No element within the differences' reach of a bound, where the derivative jumps.
        double[] x = [-3, -0.9, -0.51, -0.45, 0, 0.2, 0.6, 2], dY = Arrays.Normal(8, seed: 1);
        Differences.AssertGradient(
            () => Arrays.Dot(PointwiseReference.Hardtanh(x, -0.5, 0.5), dY), x, PointwiseReference.HardtanhBackward(x, -0.5, 0.5, dY), "x");
    }
}
