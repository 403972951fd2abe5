using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class BatchNormTests(string engine) : OpTest(engine)
{
    private const float Momentum = 0.1f, Epsilon = 1e-5f;

    private static readonly BatchNormShape[] Shapes =
    [
        new(BatchNormLayout.ChannelsFirst, N: 2, C: 3, F: 4, T: 5),
        new(BatchNormLayout.ChannelsFirst, N: 1, C: 1, F: 1, T: 1),
        new(BatchNormLayout.ChannelsFirst, N: 3, C: 2, F: 1, T: 17),
        new(BatchNormLayout.ChannelsFirst, N: 2, C: 2, F: 7, T: 33),
        new(BatchNormLayout.TimeMajor, N: 2, C: 5, F: 1, T: 4),
        new(BatchNormLayout.TimeMajor, N: 1, C: 1, F: 1, T: 1),
        new(BatchNormLayout.TimeMajor, N: 3, C: 9, F: 1, T: 9),
        new(BatchNormLayout.TimeMajor, N: 1, C: 3, F: 1, T: 31),
    ];

    private static readonly BatchNormShape[] HostShapes =
    [
        new(BatchNormLayout.ChannelsFirst, N: 8, C: 32, F: 21, T: 37),
        new(BatchNormLayout.ChannelsFirst, N: 2, C: 15, F: 3, T: 257),
        new(BatchNormLayout.ChannelsFirst, N: 5, C: 7, F: 9, T: 8),
        new(BatchNormLayout.TimeMajor, N: 8, C: 255, F: 1, T: 40),
        new(BatchNormLayout.TimeMajor, N: 7, C: 16, F: 1, T: 15),
        new(BatchNormLayout.TimeMajor, N: 3, C: 257, F: 1, T: 1),
    ];

    private static readonly BatchNormShape[] OneOfEachLayout = [Shapes[0], Shapes[4]];

    private static IEnumerable<TestCaseData> Cases => Shapes.Select(s => new TestCaseData(s).SetArgDisplayNames($"{s.Layout} {s.X}"));

    private BatchNorm Op => BatchNorm.On(Engine);

    [TestCaseSource(nameof(Cases))]
    public void ForwardAndBackward_MatchReference(BatchNormShape shape)
    {
        AssertMatches(shape, SomeLengths(shape));
        if (IsFast)
            AssertMatches(shape, [.. Enumerable.Repeat(shape.T, shape.N)]);
    }

    [Test]
    public void ForwardAndBackward_OddSizes_MatchReference()
    {
        if (IsFast)
            foreach (BatchNormShape shape in HostShapes)
                AssertMatches(shape, SomeLengths(shape));
        for (int i = 0; i < (IsFast ? 60 : 4); i++)
        {
            BatchNormLayout layout = i % 2 == 0 ? BatchNormLayout.ChannelsFirst : BatchNormLayout.TimeMajor;
            int rows = layout == BatchNormLayout.ChannelsFirst ? Random.Next(1, 6) : 1;
            var shape = new BatchNormShape(layout, Random.Next(1, 5), Random.Next(1, IsFast ? 70 : 5), rows, Random.Next(1, IsFast ? 70 : 9));
            AssertMatches(shape, SomeLengths(shape));
        }
    }

    [Test]
    public void ForwardAndBackward_OneValidElement_MatchReference([Values] BatchNormLayout layout)
    {
        // The variance is 0 and stays so in the running statistics: m / (m - 1) would be infinite.
        AssertMatches(new BatchNormShape(layout, N: 2, C: 3, F: 1, T: 4), [0, 1]);
    }

    [Test]
    public void ForwardAndBackward_NoValidElement_LeaveRunningStatistics([Values] BatchNormLayout layout)
    {
        AssertMatches(new BatchNormShape(layout, N: 2, C: 3, F: 1, T: 4), [0, 0]);
        AssertMatches(new BatchNormShape(layout, N: 0, C: 3, F: 1, T: 4), []);
        AssertMatches(new BatchNormShape(layout, N: 2, C: 3, F: 1, T: 0), [0, 0]);
    }

    [TestCase(BatchNormLayout.ChannelsFirst, 7)]
    [TestCase(BatchNormLayout.TimeMajor, 1)]
    public void ForwardAndBackward_GarbageInPadding_ChangesNothing(BatchNormLayout layout, int rows)
    {
        var shape = new BatchNormShape(layout, N: 3, C: 4, F: rows, T: IsFast ? 33 : 5);
        int[] lengths = SomeLengths(shape);
        float[] x = Normal(shape.X.Length), dY = Normal(shape.X.Length);
        State clean = Run(shape, x, lengths, dY);
        float[] dirtyX = Soil(shape, lengths, x), dirtyDY = Soil(shape, lengths, dY);
        State dirty = Run(shape, dirtyX, lengths, dirtyDY);

        Compare.BitEqual(dirty.Mean, clean.Mean, "mean");
        Compare.BitEqual(dirty.InverseDeviation, clean.InverseDeviation, "inverse deviation");
        Compare.BitEqual(dirty.RunningMean, clean.RunningMean, "running mean");
        Compare.BitEqual(dirty.RunningVariance, clean.RunningVariance, "running variance");
        Compare.BitEqual(dirty.DX, clean.DX, "dX");
        Compare.BitEqual(dirty.DWeight, clean.DWeight, "dWeight");
        Compare.BitEqual(dirty.DBias, clean.DBias, "dBias");
    }

    [Test]
    public void Forward_LargeMean_LosesNoVariance([Values] BatchNormLayout layout)
    {
        // E[x²] - E[x]² of numbers near 1000 with deviation 0.1 would have no correct digit in fp32.
        var shape = new BatchNormShape(layout, N: 2, C: 4, F: 1, T: 40);
        float[] x = Normal(shape.X.Length, deviation: 0.1, mean: 1000);
        State result = Run(shape, x, [40, 40], Normal(x.Length));
        BatchNormReference.Result expected = BatchNormReference.Forward(
            shape, x.ToDouble(), [40, 40], new double[4], new double[4], new double[4], new double[4], Momentum, Epsilon);
        Compare.Close(result.InverseDeviation.ToDouble(), expected.InverseDeviation, new Tolerance(0, 1e-3), "inverse deviation");
    }

    [Test]
    public void Forward_AnEighthFarFromTheRest_LosesNoVariance([Values] BatchNormLayout layout)
    {
        // What the host takes a first, approximate mean of: every eighth row or frame.
        var shape = new BatchNormShape(layout, N: 2, C: 4, F: layout == BatchNormLayout.ChannelsFirst ? 16 : 1, T: 32);
        float[] x = Normal(shape.X.Length, deviation: 0.1);
        for (int i = 0; i < x.Length; i++)
            if ((layout == BatchNormLayout.ChannelsFirst ? i / shape.T % shape.F : i / (shape.N * shape.C)) % 8 == 0)
                x[i] += 1000;
        State result = Run(shape, x, [32, 32], Normal(x.Length));
        BatchNormReference.Result expected = BatchNormReference.Forward(
            shape, x.ToDouble(), [32, 32], new double[4], new double[4], new double[4], new double[4], Momentum, Epsilon);
        // Eight variances are summed in fp32, in parts of 64 terms.
        var threeBitsLess = new Tolerance(0, 8 * 8 * Tolerances.Epsilon);
        Compare.Close(result.Mean.ToDouble(), expected.Mean, threeBitsLess, "mean");
        Compare.Close(result.InverseDeviation.ToDouble(), expected.InverseDeviation, threeBitsLess, "inverse deviation");
    }

    [Test]
    public void Infer_MatchesReference()
    {
        foreach (BatchNormShape shape in IsFast ? [.. Shapes, .. HostShapes] : Shapes)
        {
            var features = new Shape(shape.C);
            Tensor x = Input(shape.X, deviation: 2), weight = Input(features), bias = Input(features), mean = Input(features);
            Tensor variance = Input(features, Array.ConvertAll(Normal(shape.C), v => 0.5f + Math.Abs(v))), y = Output(shape.X);
            Op.Infer(shape, x, weight, bias, mean, variance, Epsilon, y);
            double[] expected = BatchNormReference.Infer(
                shape, x.ToDouble(), weight.ToDouble(), bias.ToDouble(), mean.ToDouble(), variance.ToDouble(), Epsilon);
            Compare.Close(y, expected, Tolerances.Normalized(1), $"{shape}");

            Tensor inPlace = Accumulator(shape.X, x.ToArray());
            Op.Infer(shape, inPlace, weight, bias, mean, variance, Epsilon, inPlace);
            Compare.BitEqual(inPlace.ToArray(), y.ToArray(), $"in place {shape}");
            NextCase();
        }
    }

    [Test]
    public void Backward_OverDY_IsTheSame()
    {
        foreach (BatchNormShape shape in IsFast ? Shapes : OneOfEachLayout)
        {
            float[] x = Normal(shape.X.Length), dY = Normal(shape.X.Length);
            int[] lengths = SomeLengths(shape);
            Compare.BitEqual(Run(shape, x, lengths, dY, dXOverDY: true).DX, Run(shape, x, lengths, dY).DX);
        }
    }

    [Test]
    public void Backward_MatchesFiniteDifferences([Values] BatchNormLayout layout)
    {
        var shape = new BatchNormShape(layout, N: 2, C: 3, F: 1, T: 6);
        int[] lengths = [6, 4];
        float[] x = Normal(shape.X.Length), dY = Normal(shape.X.Length);
        for (int i = 0; i < dY.Length; i++)
            if (!IsValid(shape, lengths, i))
                dY[i] = 0; // a loss of valid frames
        float[] dX = Run(shape, x, lengths, dY).DX;
        Differences.AssertDirection(
            moved => Arrays.Dot(Run(shape, moved, lengths, dY).Y.ToDouble(), dY.ToDouble()), x, Normal(x.Length), dX, "x");
    }

    [Test]
    public void ForwardAndBackward_RepeatedRuns_AreBitEqual()
    {
        foreach (BatchNormShape shape in IsFast ? HostShapes : OneOfEachLayout)
        {
            float[] x = Normal(shape.X.Length), dY = Normal(shape.X.Length);
            int[] lengths = SomeLengths(shape);
            State first = Run(shape, x, lengths, dY), second = Run(shape, x, lengths, dY);
            Compare.BitEqual(second.Y, first.Y, "y");
            Compare.BitEqual(second.DX, first.DX, "dX");
            Compare.BitEqual(second.DWeight, first.DWeight, "dWeight");
            Compare.BitEqual(second.RunningVariance, first.RunningVariance, "running variance");
        }
    }

    [Test]
    public void ForwardAndBackward_WrongArguments_AreRefused()
    {
        var shape = new BatchNormShape(BatchNormLayout.TimeMajor, N: 2, C: 3, F: 1, T: 4);
        var features = new Shape(3);
        Tensor x = Input(shape.X), perFeature = Input(features), updated = Output(features), y = Output(shape.X), wide = Output(new Shape(4));
        IntTensor lengths = IntInput(new Shape(2), [4, 4], "lengths");
        Workspace scratch = Scratch(Op.WorkspaceFor(shape));
        void Forward(BatchNormShape s, Tensor x, Tensor weight, Tensor y, Workspace w) =>
            Op.Forward(s, x, lengths, weight, perFeature, updated, updated, Momentum, Epsilon, y, updated, updated, w);
        AssertRefused(() => Forward(shape, x, wide, y, scratch), "weight is [4]", "expected [3]");
        AssertRefused(() => Forward(shape, x, perFeature, y.Reshape(new Shape(2, 4, 3)), scratch), "[2, 4, 3]", "expected [4, 2, 3]");
        AssertRefused(() => Forward(shape with { F = 2 }, x, perFeature, y, scratch), "one row");
        Tensor shared = Output(new Shape(128));
        AssertRefused(() => Forward(shape, shared.Slice(0, shape.X), perFeature, shared.Slice(8, shape.X), scratch), "overlaps", "[4, 2, 3]");
        AssertRefused(
            () => Op.Backward(
                shape, x, lengths, perFeature, perFeature, perFeature, shared.Slice(0, shape.X), shared.Slice(8, shape.X), updated, updated, scratch),
            "dX [4, 2, 3] overlaps dY [4, 2, 3]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(features);
        AssertRefused(() => Forward(shape, x, elsewhere, y, scratch), "weight [3]", Engine.Name);
        if (Op.WorkspaceFor(shape) > 0)
            AssertRefused(() => Forward(shape, x, perFeature, y, Scratch(0)), "workspace");
    }

    private void AssertMatches(BatchNormShape shape, int[] lengths)
    {
        float[] x = Normal(shape.X.Length, deviation: 2, mean: 3), dY = Normal(shape.X.Length);
        State state = Run(shape, x, lengths, dY);
        double[] weight = Weight(shape).ToDouble();
        BatchNormReference.Result expected = BatchNormReference.Forward(
            shape, x.ToDouble(), lengths, weight, Bias(shape).ToDouble(), RunningMean(shape).ToDouble(), RunningVariance(shape).ToDouble(),
            Momentum, Epsilon);
        (double[] dX, double[] dWeight, double[] dBias) = BatchNormReference.Backward(shape, x.ToDouble(), lengths, weight, Epsilon, dY.ToDouble());

        int elements = shape.N * shape.F * shape.T;
        // Where the variance is nearly nothing, 1 / sqrt(eps) = 316 magnifies every rounding of x - mean.
        double magnification = Math.Max(1, expected.InverseDeviation.Max());
        Tolerance tolerance = Tolerances.Normalized(elements).Times(magnification), sum = Tolerances.Sum(elements).Times(2 * magnification);
        string context = $"{shape}, lengths {string.Join(" ", lengths)}";
        Compare.Close(state.Y.ToDouble(), expected.Y, tolerance, $"y {context}", shape.X);
        Compare.Close(state.Mean.ToDouble(), expected.Mean, tolerance, $"mean {context}");
        Compare.Close(state.InverseDeviation.ToDouble(), expected.InverseDeviation, tolerance, $"inverse deviation {context}");
        Compare.Close(state.RunningMean.ToDouble(), expected.RunningMean, tolerance, $"running mean {context}");
        Compare.Close(state.RunningVariance.ToDouble(), expected.RunningVariance, tolerance, $"running variance {context}");
        Compare.Close(state.DX.ToDouble(), dX, tolerance.Times(2), $"dX {context}", shape.X);
        Compare.Close(state.DWeight.ToDouble(), dWeight.Plus(GradientStart(shape).ToDouble()), sum, $"dWeight {context}");
        Compare.Close(state.DBias.ToDouble(), dBias.Plus(GradientStart(shape).ToDouble()), sum, $"dBias {context}");
    }

    private State Run(BatchNormShape shape, float[] x, int[] lengths, float[] dY, bool dXOverDY = false)
    {
        var features = new Shape(shape.C);
        Tensor xTensor = Input(shape.X, x), weight = Input(features, Weight(shape)), bias = Input(features, Bias(shape));
        IntTensor lengthTensor = IntInput(new Shape(shape.N), lengths);
        Tensor runningMean = Accumulator(features, RunningMean(shape)), runningVariance = Accumulator(features, RunningVariance(shape));
        Tensor y = Output(shape.X, "y"), mean = Output(features, "mean"), inverseDeviation = Output(features, "inverse deviation");
        Op.Forward(
            shape, xTensor, lengthTensor, weight, bias, runningMean, runningVariance, Momentum, Epsilon, y, mean, inverseDeviation,
            Scratch(Op.WorkspaceFor(shape)));

        Tensor dYTensor = dXOverDY ? Accumulator(shape.X, dY) : Input(shape.X, dY), dX = dXOverDY ? dYTensor : Output(shape.X, "dX");
        Tensor dWeight = Accumulator(features, GradientStart(shape)), dBias = Accumulator(features, GradientStart(shape));
        Op.Backward(shape, xTensor, lengthTensor, weight, mean, inverseDeviation, dYTensor, dX, dWeight, dBias, Scratch(Op.WorkspaceFor(shape)));

        var state = new State(
            y.ToArray(), mean.ToArray(), inverseDeviation.ToArray(), runningMean.ToArray(), runningVariance.ToArray(),
            dX.ToArray(), dWeight.ToArray(), dBias.ToArray());
        NextCase();
        return state;
    }

    private int[] SomeLengths(BatchNormShape shape) =>
        [.. Enumerable.Range(0, shape.N).Select(n => n == 0 ? shape.T : Random.Next(0, shape.T + 1))];

    // Parameters that depend on the number of features alone: every run of a shape has the same.
    private static float[] Weight(BatchNormShape shape) => Ramp(shape, -0.6f);

    private static float[] Bias(BatchNormShape shape) => Ramp(shape, 0.1f);

    private static float[] RunningMean(BatchNormShape shape) => Ramp(shape, 0.3f);

    private static float[] RunningVariance(BatchNormShape shape) => Ramp(shape, 0.7f);

    private static float[] GradientStart(BatchNormShape shape) => Ramp(shape, 1.5f);

    private static float[] Ramp(BatchNormShape shape, float from) => [.. Enumerable.Range(0, shape.C).Select(c => from + 0.25f * (c % 5))];

    // The same numbers with NaN, an infinity or a large number at every padded frame.
    private static float[] Soil(BatchNormShape shape, int[] lengths, float[] clean)
    {
        float[] garbage = [float.NaN, float.PositiveInfinity, 1e30f];
        var dirty = new float[clean.Length];
        for (int i = 0; i < clean.Length; i++)
            dirty[i] = IsValid(shape, lengths, i) ? clean[i] : garbage[i % 3];
        return dirty;
    }

    internal static bool IsValid(BatchNormShape shape, int[] lengths, int i) => shape.Layout == BatchNormLayout.TimeMajor
        ? i / shape.C / shape.N < lengths[i / shape.C % shape.N]
        : i % shape.T < lengths[i / (shape.C * shape.F * shape.T)];

    private sealed record State(
        float[] Y, float[] Mean, float[] InverseDeviation, float[] RunningMean, float[] RunningVariance, float[] DX, float[] DWeight, float[] DBias);
}

public sealed class BatchNormReferenceTests
{
    [TestCase(BatchNormLayout.ChannelsFirst, 2)]
    [TestCase(BatchNormLayout.TimeMajor, 1)]
    public void Backward_MatchesFiniteDifferences(BatchNormLayout layout, int rows)
    {
        var shape = new BatchNormShape(layout, N: 3, C: 2, F: rows, T: 4);
        int[] lengths = [4, 2, 0];
        double[] x = Arrays.Normal(shape.X.Length, seed: 1, deviation: 2), weight = Arrays.Normal(2, seed: 2), bias = Arrays.Normal(2, seed: 3);
        double[] dY = Arrays.Normal(x.Length, seed: 4);
        for (int i = 0; i < dY.Length; i++)
            if (!BatchNormTests.IsValid(shape, lengths, i))
                dY[i] = 0;
        double Loss() => Arrays.Dot(BatchNormReference.Forward(shape, x, lengths, weight, bias, new double[2], new double[2], 0.1, 1e-5).Y, dY);
        (double[] dX, double[] dWeight, double[] dBias) = BatchNormReference.Backward(shape, x, lengths, weight, 1e-5, dY);
        Differences.AssertGradient(Loss, x, dX, "x");
        Differences.AssertGradient(Loss, weight, dWeight, "weight");
        Differences.AssertGradient(Loss, bias, dBias, "bias");
    }
}
