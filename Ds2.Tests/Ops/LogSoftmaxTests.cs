using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class LogSoftmaxTests(string engine) : OpTest(engine)
{
    private LogSoftmax Op => LogSoftmax.On(Engine);

    private Shape[] Shapes => IsFast
        ? [.. new[] { 1, 2, 7, 8, 9, 15, 16, 17, 29, 31, 32, 33, 255, 256, 257, 1025 }.Select(c => new Shape(5, 3, c)), new(0, 2, 29), new(3, 0, 29), new(61, 8, 29)]
        : [.. new[] { 1, 9, 29, 32, 33, 65 }.Select(c => new Shape(2, 3, c)), new(0, 2, 29)];

    [Test]
    public void ForwardAndBackward_MatchReference()
    {
        foreach (Shape shape in Shapes)
        {
            Tensor x = Input(shape, deviation: 3), dY = Input(shape), y = Output(shape), dX = Output(shape);
            Op.Forward(x, y);
            Op.Backward(y, dY, dX);
            double[] expected = LogSoftmaxReference.Forward(x.ToDouble(), shape[2]);
            Compare.Close(y, expected, Tolerances.Pointwise.Times(8));
            Compare.Close(dX, LogSoftmaxReference.Backward(expected, dY.ToDouble(), shape[2]), Tolerances.Sum(shape[2]));
            NextCase();
        }
    }

    [Test]
    public void ForwardAndBackward_InPlace_AreTheSame()
    {
        var shape = new Shape(3, 2, 29);
        float[] contents = Normal(shape.Length), gradient = Normal(shape.Length);
        Tensor apart = Output(shape), gradientApart = Output(shape), y = Accumulator(shape, contents), dY = Accumulator(shape, gradient);
        Op.Forward(Input(shape, contents), apart);
        Op.Backward(apart, Input(shape, gradient), gradientApart);
        Op.Forward(y, y);
        Op.Backward(y, dY, dY);
        Compare.BitEqual(y.ToArray(), apart.ToArray());
        Compare.BitEqual(dY.ToArray(), gradientApart.ToArray());
    }

    [Test]
    public void Forward_ExtremeLogits_AreFinite()
    {
        var shape = new Shape(4, 1, 3);
        float[] x = [1e4f, -1e4f, 0, 3e38f, 1e38f, -3e38f, -1e30f, -1e30f, -1e30f, 88.8f, 89, -104];
        Tensor y = Output(shape);
        Op.Forward(Input(shape, x), y);
        // The distance between the second row's first and third logit exceeds the range of fp32: -inf is its correct rounding.
        Compare.Close(y, [.. LogSoftmaxReference.Forward(x.ToDouble(), 3).Select(v => (double)(float)v)], Tolerances.Pointwise.Times(8));
    }

    [Test]
    public void Forward_NaNAndInfinities()
    {
        var shape = new Shape(3, 1, 3);
        float[] x = [float.NaN, 1, 2, float.PositiveInfinity, 1, 2, float.NegativeInfinity, 0, 0];
        Tensor y = Output(shape);
        Op.Forward(Input(shape, x), y);
        double nan = double.NaN, half = -Math.Log(2);
        Compare.Close(y, [nan, nan, nan, nan, nan, nan, double.NegativeInfinity, half, half], Tolerances.Pointwise);
    }

    [Test]
    public void Backward_ImpossibleClass_HasNoProbability()
    {
        var shape = new Shape(1, 1, 3);
        float half = -MathF.Log(2);
        Tensor dX = Output(shape);
        Op.Backward(Input(shape, [float.NegativeInfinity, half, half], "y"), Input(shape, [1, 2, 3], "dY"), dX);
        Compare.Close(dX, [1, -1, 0], Tolerances.Pointwise.Times(8));
    }

    [Test]
    public void Backward_MatchesFiniteDifferences()
    {
        var shape = new Shape(2, 2, 5);
        float[] x = Normal(shape.Length), dY = Normal(shape.Length);
        Tensor y = Output(shape), dX = Output(shape);
        Tensor Forward(float[] x)
        {
            Op.Forward(Input(shape, x), y);
            return y;
        }

        Op.Backward(Forward(x), Input(shape, dY), dX);
        Differences.AssertDirection(moved => Arrays.Dot(Forward(moved).ToDouble(), dY.ToDouble()), x, Normal(x.Length), dX.ToArray(), "x");
    }

    [Test]
    public void ForwardAndBackward_RepeatedRuns_AreBitEqual()
    {
        Shape shape = IsFast ? new(61, 8, 29) : new(3, 1, 29);
        Tensor x = Input(shape), dY = Input(shape), y = Output(shape), again = Output(shape), dX = Output(shape), dXAgain = Output(shape);
        Op.Forward(x, y);
        Op.Forward(x, again);
        Op.Backward(y, dY, dX);
        Op.Backward(y, dY, dXAgain);
        Compare.BitEqual(again.ToArray(), y.ToArray());
        Compare.BitEqual(dXAgain.ToArray(), dX.ToArray());
    }

    [Test]
    public void ForwardAndBackward_WrongArguments_AreRefused()
    {
        Tensor x = Input(new Shape(2, 3, 4)), y = Output(x.Shape), shared = Output(new Shape(128));
        AssertRefused(() => Op.Forward(x, y.Reshape(new Shape(3, 2, 4))), "y is [3, 2, 4]", "expected [2, 3, 4]");
        AssertRefused(() => Op.Forward(x.Reshape(new Shape(6, 4)), y), "[6, 4]");
        AssertRefused(() => Op.Forward(shared.Slice(0, x.Shape), shared.Slice(8, x.Shape)), "y [2, 3, 4] overlaps x [2, 3, 4]");
        AssertRefused(() => Op.Backward(x, y, x), "dX [2, 3, 4] overlaps y [2, 3, 4]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(x.Shape);
        AssertRefused(() => Op.Forward(x, elsewhere), "y [2, 3, 4]", Engine.Name);
    }
}

public sealed class LogSoftmaxReferenceTests
{
    [Test]
    public void Backward_MatchesFiniteDifferences()
    {
        double[] x = Arrays.Normal(12, seed: 1), dY = Arrays.Normal(12, seed: 2);
        double[] dX = LogSoftmaxReference.Backward(LogSoftmaxReference.Forward(x, 4), dY, 4);
        Differences.AssertGradient(() => Arrays.Dot(LogSoftmaxReference.Forward(x, 4), dY), x, dX, "x");
    }

    [Test]
    public void Forward_IsALogarithmOfProbabilities()
    {
        double[] y = LogSoftmaxReference.Forward([0, Math.Log(2), Math.Log(5)], 3);
        Compare.Close(y, [Math.Log(1 / 8.0), Math.Log(2 / 8.0), Math.Log(5 / 8.0)], Tolerances.Differences, "y");
    }
}
