using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class Conv2dTests(string engine) : OpTest(engine)
{
    private static readonly Conv2dShape[] Shapes =
    [
        new(N: 1, C: 1, H: 1, W: 1, K: 1, R: 1, S: 1),
        new(N: 2, C: 1, H: 9, W: 11, K: 3, R: 3, S: 2),
        new(N: 1, C: 2, H: 8, W: 7, K: 5, R: 3, S: 3, StrideH: 2, StrideW: 1),
        new(N: 2, C: 3, H: 7, W: 9, K: 4, R: 2, S: 4, StrideH: 1, StrideW: 2, PadH: 1, PadW: 2),
        new(N: 1, C: 2, H: 5, W: 5, K: 2, R: 3, S: 3, StrideH: 3, StrideW: 3, PadH: 2, PadW: 1),
        new(N: 1, C: 1, H: 3, W: 17, K: 1, R: 3, S: 1, StrideW: 5), // windows that skip columns
        new(N: 3, C: 2, H: 4, W: 4, K: 3, R: 4, S: 4), // one window covers the image
        new(N: 1, C: 1, H: 2, W: 3, K: 2, R: 5, S: 4, PadH: 2, PadW: 2), // a window larger than the image
        new(N: 1, C: 1, H: 13, W: 1, K: 32, R: 13, S: 1), // one frame, the model's channels
        new(N: 1, C: 1, H: 1, W: 1, K: 1, R: 1, S: 1, StrideW: 5, PadW: 2), // the only window lies in the padding on the left
        new(N: 1, C: 1, H: 1, W: 1, K: 1, R: 1, S: 1, StrideH: 5, PadH: 2), // above
        new(N: 2, C: 2, H: 2, W: 3, K: 3, R: 2, S: 3, StrideH: 8, StrideW: 11, PadH: 4, PadW: 5),
        new(N: 2, C: 1, H: 3, W: 5, K: 2, R: 3, S: 3, StrideH: 2, StrideW: 2, PadH: 1, PadW: 4), // the first and the last window lie in the padding
        new(N: 1, C: 1, H: 2, W: 41, K: 2, R: 1, S: 3, PadW: 2), // a GPU's lanes: the first columns in the padding, those 32 further inside
        new(N: 1, C: 2, H: 5, W: 135, K: 17, R: 4, S: 2, PadH: 1), // two groups of columns and of channels; four rows of the window, three at a time
        new(N: 1, C: 1, H: 2, W: 290, K: 1, R: 2, S: 3, StrideW: 2), // two groups of columns, two apart
        new(N: 1, C: 1, H: 2, W: 80, K: 2, R: 2, S: 37, StrideW: 2, PadW: 3), // more taps than are staged at a time, of two residues
        new(N: 1, C: 1, H: 3, W: 45, K: 2, R: 3, S: 11, StrideW: 3, PadW: 1),
        new(N: 1, C: 1, H: 2, W: 40, K: 2, R: 2, S: 7, StrideW: 4),
        new(N: 1, C: 3, H: 9, W: 16, K: 2, R: 8, S: 11), // 24 rows of taps: two groups of the weight gradient, of which one begins within a quad of rows
    ];

    private static readonly Conv2dShape[] HostShapes =
    [
        new(N: 2, C: 1, H: 161, W: 31, K: 32, R: 41, S: 11, StrideH: 2, StrideW: 2), // conv.0
        new(N: 2, C: 32, H: 61, W: 12, K: 32, R: 21, S: 11, StrideH: 2), // conv.3, two frames out
        new(N: 1, C: 1, H: 13, W: 11, K: 32, R: 41, S: 11, StrideH: 2, StrideW: 2, PadH: 20), // conv.0 of raw MFCCs, one frame out
        new(N: 2, C: 1, H: 40, W: 21, K: 32, R: 11, S: 11, StrideH: 2, StrideW: 2, PadH: 5, PadW: 15), // conv.0 of a filter bank, padded in time
        new(N: 3, C: 7, H: 15, W: 33, K: 17, R: 5, S: 3, StrideH: 2, PadW: 1),
        new(N: 1, C: 9, H: 16, W: 65, K: 33, R: 3, S: 7, PadH: 1, PadW: 3),
        new(N: 8, C: 1, H: 31, W: 8, K: 15, R: 7, S: 7, StrideH: 3, StrideW: 2, PadH: 3, PadW: 3),
    ];

    private static IEnumerable<TestCaseData> Cases => Shapes.Select(
        s => new TestCaseData(s).SetArgDisplayNames($"{s.X} * {s.Weight}, stride {s.StrideH} {s.StrideW}, pad {s.PadH} {s.PadW}"));

    private Conv2d Op => Conv2d.On(Engine);

    [TestCaseSource(nameof(Cases))]
    public void Forward_MatchesReference(Conv2dShape shape) => AssertForwardMatches(shape);

    [TestCaseSource(nameof(Cases))]
    public void Backward_MatchesReference(Conv2dShape shape)
    {
        AssertBackwardMatches(shape, needsDX: true);
        AssertBackwardMatches(shape, needsDX: false);
    }

    [Test]
    public void ForwardAndBackward_OddSizes_MatchReference()
    {
        if (IsFast)
        {
            foreach (Conv2dShape shape in HostShapes)
            {
                AssertForwardMatches(shape);
                AssertBackwardMatches(shape, needsDX: true);
            }
        }

        for (int i = 0; i < (IsFast ? 60 : 4); i++)
        {
            int Any(int least, int most) => Random.Next(least, most + 1);
            var shape = new Conv2dShape(
                Any(1, 3), Any(1, 4), Any(1, 9), Any(1, IsFast ? 40 : 9), Any(1, IsFast ? 18 : 5), Any(1, 4), Any(1, 5), Any(1, 3), Any(1, 3), Any(0, 3), Any(0, 3));
            if (shape.Y.Length == 0)
                continue;
            AssertForwardMatches(shape);
            AssertBackwardMatches(shape, needsDX: i % 4 != 0);
        }
    }

    [Test]
    public void Backward_MatchesFiniteDifferences()
    {
        Conv2dShape shape = Shapes[3];
        float[] x = Normal(shape.X.Length), weight = Normal(shape.Weight.Length), bias = Normal(shape.K), dY = Normal(shape.Y.Length);
        Tensor dX = Output(shape.X), dWeight = Accumulator(shape.Weight, new float[weight.Length]), dBias = Accumulator(new Shape(shape.K), new float[bias.Length]);
        Op.Backward(shape, Input(shape.X, x), Input(shape.Weight, weight), Input(shape.Y, dY), dX, dWeight, dBias, Scratch(Op.BackwardWorkspace(shape)));
        double Loss(float[] x, float[] weight, float[] bias)
        {
            Tensor y = Output(shape.Y);
            Op.Forward(shape, Input(shape.X, x), Input(shape.Weight, weight), Input(new Shape(shape.K), bias), y, Scratch(Op.ForwardWorkspace(shape)));
            return Arrays.Dot(y.ToDouble(), dY.ToDouble());
        }

        Differences.AssertDirection(moved => Loss(moved, weight, bias), x, Normal(x.Length), dX.ToArray(), "x");
        Differences.AssertDirection(moved => Loss(x, moved, bias), weight, Normal(weight.Length), dWeight.ToArray(), "weight");
        Differences.AssertDirection(moved => Loss(x, weight, moved), bias, Normal(bias.Length), dBias.ToArray(), "bias");
    }

    [Test]
    public void ForwardAndBackward_NothingComesOut_TouchOnlyDX()
    {
        Conv2dShape[] empty =
        [
            new(N: 1, C: 1, H: 4, W: 4, K: 2, R: 5, S: 1), // the kernel does not fit
            new(N: 0, C: 2, H: 4, W: 4, K: 2, R: 3, S: 3),
            new(N: 2, C: 2, H: 4, W: 0, K: 2, R: 3, S: 3),
        ];
        foreach (Conv2dShape shape in empty)
        {
            AssertForwardMatches(shape);
            AssertBackwardMatches(shape, needsDX: true);
        }
    }

    /// <remarks>A CUDA grid has 65,535 groups along z, where images lie: the rest is another launch's. Here it has three.</remarks>
    [Test]
    public void ForwardAndBackward_MoreImagesThanAGridIsDeep_MatchReference()
    {
        if (Engine is not IlgpuEngine gpu)
            return;
        var shape = new Conv2dShape(N: 4, C: 2, H: 4, W: 5, K: 33, R: 2, S: 3, StrideW: 2, PadH: 1);
        int depth = gpu.GridDepth;
        gpu.GridDepth = 3;
        try
        {
            AssertForwardMatches(shape);
            AssertBackwardMatches(shape, needsDX: true);
        }
        finally
        {
            gpu.GridDepth = depth;
        }
    }

    private static readonly Conv2dShape[] NaNShapes =
    [
        new(N: 2, C: 1, H: 5, W: 6, K: 2, R: 2, S: 2, StrideW: 2),
        new(N: 1, C: 2, H: 3, W: 19, K: 2, R: 2, S: 5), // the host computes pairs of columns here, from groups of three taps and two
        new(N: 1, C: 1, H: 2, W: 29, K: 3, R: 2, S: 11, StrideW: 2, PadW: 1),
        new(N: 1, C: 1, H: 2, W: 33, K: 2, R: 2, S: 13, StrideW: 2), // seven taps of one residue: three groups that lack two
    ];

    [TestCaseSource(nameof(NaNShapes))]
    public void Forward_NaN_StaysInItsWindows(Conv2dShape shape)
    {
        // The host's filters for two outputs may see up to two of the residue's columns more on the left; on the right they must not.
        int reach = IsFast && shape.StrideW < shape.S ? 2 * shape.StrideW : 0, reached = 0;
        for (int place = 0; place < (IsFast ? shape.W : 2); place++)
        {
            float[] contents = Normal(shape.X.Length);
            contents[shape.W + place] = float.NaN;
            Tensor x = Input(shape.X, contents), weight = Input(shape.Weight), bias = Input(new Shape(shape.K)), y = Output(shape.Y);
            Op.Forward(shape, x, weight, bias, y, Scratch(Op.ForwardWorkspace(shape)));
            double[] expected = Conv2dReference.Forward(shape, x.ToDouble(), weight.ToDouble(), bias.ToDouble()), actual = y.ToDouble();
            for (int i = 0; i < actual.Length; i++)
                if (!double.IsNaN(expected[i]) && double.IsNaN(actual[i]))
                {
                    int left = i % shape.OutW * shape.StrideW - shape.PadW - place;
                    Assert.That(left, Is.InRange(1, reach), $"{shape}, NaN in column {place}, output {i}");
                    reached = Math.Max(reached, left);
                    actual[i] = expected[i];
                }

            Compare.Close(actual, expected, Tolerances.Sum(shape.Window), $"{shape}, NaN in column {place}");
            NextCase();
        }

        // As far as docs/kernels.md says, and no less.
        if (IsFast && shape.S == 13)
            Assert.That(reached, Is.EqualTo(2 * shape.StrideW));
    }

    [Test]
    public void ForwardAndBackward_LongSums_StayAsExactAsRunningSums()
    {
        // Running fp32 sums of conv.3's 7392 products are 1.6e-6 of the results' norm off, the data gradient's 1e-6, the weight gradient's 4e-7.
        Conv2dShape shape = IsFast
            ? new(N: 1, C: 32, H: 61, W: 30, K: 32, R: 21, S: 11, StrideH: 2)
            : new(N: 1, C: 2, H: 9, W: 14, K: 3, R: 5, S: 11, StrideH: 2);
        Tensor x = Input(shape.X), weight = Input(shape.Weight), bias = Input(new Shape(shape.K), new float[shape.K]), dY = Input(shape.Y);
        Tensor y = Output(shape.Y), dX = Output(shape.X), dWeight = Accumulator(shape.Weight, new float[shape.Weight.Length]);
        Op.Forward(shape, x, weight, bias, y, Scratch(Op.ForwardWorkspace(shape)));
        Op.Backward(
            shape, x, weight, dY, dX, dWeight, Accumulator(new Shape(shape.K), new float[shape.K]), Scratch(Op.BackwardWorkspace(shape)));
        double[] yExpected = Conv2dReference.Forward(shape, x.ToDouble(), weight.ToDouble(), bias.ToDouble());
        (double[] dXExpected, double[] dWeightExpected, _) = Conv2dReference.Backward(shape, x.ToDouble(), weight.ToDouble(), dY.ToDouble());
        Assert.Multiple(() =>
        {
            Assert.That(Error(y, yExpected), Is.LessThan(1.6e-6), "y");
            Assert.That(Error(dX, dXExpected), Is.LessThan(1.6e-6), "dX");
            Assert.That(Error(dWeight, dWeightExpected), Is.LessThan(1.6e-6), "dWeight");
        });

        static double Error(Tensor actual, double[] expected) =>
            Math.Sqrt(actual.ToDouble().Zip(expected, (a, e) => (a - e) * (a - e)).Sum() / expected.Sum(e => e * e));
    }

    [Test]
    public void ForwardAndBackward_RepeatedRuns_AreBitEqual()
    {
        Conv2dShape shape = IsFast ? HostShapes[3] : Shapes[3];
        Tensor x = Input(shape.X), weight = Input(shape.Weight), bias = Input(new Shape(shape.K)), dY = Input(shape.Y);
        float[][] Run()
        {
            Tensor y = Output(shape.Y), dX = Output(shape.X);
            Tensor dWeight = Accumulator(shape.Weight, new float[shape.Weight.Length]), dBias = Accumulator(new Shape(shape.K), new float[shape.K]);
            Op.Forward(shape, x, weight, bias, y, Scratch(Op.ForwardWorkspace(shape)));
            Op.Backward(shape, x, weight, dY, dX, dWeight, dBias, Scratch(Op.BackwardWorkspace(shape)));
            return [y.ToArray(), dX.ToArray(), dWeight.ToArray(), dBias.ToArray()];
        }

        float[][] first = Run(), second = Run();
        for (int i = 0; i < first.Length; i++)
            Compare.BitEqual(second[i], first[i]);
    }

    private static readonly Conv2dShape[] LargestShapes =
    [
        new(N: 18, C: 32, H: 61, W: 40, K: 32, R: 21, S: 11, StrideH: 2), // conv.3 of 161 rows: ten images take more slices than eighteen
        new(N: 34, C: 32, H: 15, W: 40, K: 32, R: 7, S: 11, StrideH: 2, PadH: 3), // of 40
        new(N: 9, C: 1, H: 161, W: 31, K: 32, R: 41, S: 11, StrideH: 2, StrideW: 2),
    ];

    /// <summary>Whoever has memory for the largest batch has it for all: none is taken in the middle of an epoch.</summary>
    /// <remarks>On the host a narrower image may want more, some 200 kB: panels are cut by width there.</remarks>
    [TestCaseSource(nameof(LargestShapes))]
    public void Workspaces_AreEnoughForSmallerBatches(Conv2dShape largest)
    {
        int forward = Op.ForwardWorkspace(largest), backward = Op.BackwardWorkspace(largest);
        for (int n = 1; n <= largest.N; n++)
        {
            for (int w = Engine is IlgpuEngine ? largest.S : largest.W; w <= largest.W; w++)
            {
                Conv2dShape shape = largest with { N = n, W = w };
                Assert.That(Op.ForwardWorkspace(shape), Is.LessThanOrEqualTo(forward), $"forward, {shape}");
                Assert.That(Op.BackwardWorkspace(shape), Is.LessThanOrEqualTo(backward), $"backward, {shape}");
            }
        }
    }

    [Test]
    public void ForwardAndBackward_WrongArguments_AreRefused()
    {
        var shape = new Conv2dShape(N: 1, C: 2, H: 5, W: 6, K: 3, R: 2, S: 2);
        Tensor x = Input(shape.X), weight = Input(shape.Weight), bias = Input(new Shape(shape.K)), y = Output(shape.Y);
        Workspace scratch = Scratch(Math.Max(Op.ForwardWorkspace(shape), Op.BackwardWorkspace(shape)));
        AssertRefused(() => Op.Forward(shape, y, weight, bias, y, scratch), "x is [1, 3, 4, 5]", "expected [1, 2, 5, 6]");
        AssertRefused(() => Op.Forward(shape, x, weight, weight, y, scratch), "bias is [3, 2, 2, 2]", "expected [3]");
        AssertRefused(() => Op.Forward(shape with { StrideW = 0 }, x, weight, bias, y, scratch), "strides");
        AssertRefused(() => Op.Forward(shape with { PadH = -1 }, x, weight, bias, y, scratch), "padding");
        Tensor shared = Output(new Shape(128));
        AssertRefused(() => Op.Forward(shape, shared.Slice(0, shape.X), weight, bias, shared.Slice(32, shape.Y), scratch), "y [1, 3, 4, 5] overlaps x [1, 2, 5, 6]");
        AssertRefused(() => Op.Backward(shape, x, weight, y, x, Output(shape.Weight), Output(bias.Shape), scratch), "dX", "overlaps x");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape.Weight);
        AssertRefused(() => Op.Forward(shape, x, elsewhere, bias, y, scratch), "weight [3, 2, 2, 2]", Engine.Name);
        if (Op.ForwardWorkspace(shape) > 0)
            AssertRefused(() => Op.Forward(shape, x, weight, bias, y, Scratch(0)), "workspace");
        if (Op.BackwardWorkspace(shape) > 0)
            AssertRefused(() => Op.Backward(shape, x, weight, y, null, Output(shape.Weight), Output(bias.Shape), Scratch(0)), "workspace");
    }

    private void AssertForwardMatches(Conv2dShape shape, float[]? contents = null)
    {
        Tensor x = Input(shape.X, contents ?? Normal(shape.X.Length)), weight = Input(shape.Weight), bias = Input(new Shape(shape.K)), y = Output(shape.Y);
        Op.Forward(shape, x, weight, bias, y, Scratch(Op.ForwardWorkspace(shape)));
        Compare.Close(y, Conv2dReference.Forward(shape, x.ToDouble(), weight.ToDouble(), bias.ToDouble()), Tolerances.Sum(shape.Window), $"{shape}");
        NextCase();
    }

    private void AssertBackwardMatches(Conv2dShape shape, bool needsDX)
    {
        float[] weightStart = Normal(shape.Weight.Length), biasStart = Normal(shape.K);
        Tensor x = Input(shape.X), weight = Input(shape.Weight), dY = Input(shape.Y);
        Tensor? dX = needsDX ? Output(shape.X) : null;
        Tensor dWeight = Accumulator(shape.Weight, weightStart), dBias = Accumulator(new Shape(shape.K), biasStart);
        Op.Backward(shape, x, weight, dY, dX, dWeight, dBias, Scratch(Op.BackwardWorkspace(shape)));

        (double[] dXExpected, double[] dWeightExpected, double[] dBiasExpected) = Conv2dReference.Backward(shape, x.ToDouble(), weight.ToDouble(), dY.ToDouble());
        Tolerance overPixels = Tolerances.Sum(shape.N * shape.OutH * shape.OutW);
        if (dX is not null)
            Compare.Close(dX, dXExpected, Tolerances.Sum(shape.K * shape.R * shape.S), $"{shape}");
        Compare.Close(dWeight, dWeightExpected.Plus(weightStart.ToDouble()), overPixels, $"{shape}");
        Compare.Close(dBias, dBiasExpected.Plus(biasStart.ToDouble()), overPixels, $"{shape}");
        NextCase();
    }
}

public sealed class Conv2dReferenceTests
{
    private static readonly Conv2dShape[] Shapes =
    [
        new(N: 2, C: 2, H: 4, W: 5, K: 3, R: 2, S: 3),
        new(N: 1, C: 2, H: 5, W: 4, K: 2, R: 3, S: 2, StrideH: 2, StrideW: 3, PadH: 1, PadW: 2),
    ];

    [TestCaseSource(nameof(Shapes))]
    public void Backward_MatchesFiniteDifferences(Conv2dShape shape)
    {
        double[] x = Arrays.Normal(shape.X.Length, seed: 1), weight = Arrays.Normal(shape.Weight.Length, seed: 2);
        double[] bias = Arrays.Normal(shape.K, seed: 3), dY = Arrays.Normal(shape.Y.Length, seed: 4);
        double Loss() => Arrays.Dot(Conv2dReference.Forward(shape, x, weight, bias), dY);
        (double[] dX, double[] dWeight, double[] dBias) = Conv2dReference.Backward(shape, x, weight, dY);
        Differences.AssertGradient(Loss, x, dX, "x");
        Differences.AssertGradient(Loss, weight, dWeight, "weight");
        Differences.AssertGradient(Loss, bias, dBias, "bias");
    }
}
