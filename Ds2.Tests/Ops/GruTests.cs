using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

[TestFixtureSource(nameof(EngineNames))]
public sealed partial class GruTests(string engine) : OpTest(engine)
{
    // On CUDA both ways: all frames in one launch, where that fits the device, and a launch a frame.
    private static IEnumerable<string> EngineNames => TestEngines.Names.SelectMany(name => name == "cuda" ? new[] { name, TestEngines.CudaFrames } : [name]);

    private static readonly (GruShape Shape, int[] Lengths)[] Shapes =
    [
        (new(T: 1, N: 1, I: 1, H: 1), [1]),
        (new(T: 4, N: 2, I: 3, H: 5), [4, 4]),
        (new(T: 5, N: 3, I: 7, H: 4), [3, 5, 0]),
        (new(T: 6, N: 1, I: 2, H: 9), [4]), // T beyond the longest utterance
        (new(T: 3, N: 2, I: 5, H: 17), [3, 2]),
        (new(T: 1, N: 1, I: 1, H: 1, Directions: 2), [1]),
        (new(T: 5, N: 3, I: 4, H: 3, Directions: 2), [5, 2, 3]),
        (new(T: 4, N: 2, I: 3, H: 8, Directions: 2), [1, 4]),
        (new(T: 3, N: 2, I: 9, H: 33, Directions: 2), [0, 3]),
    ];

    private static IEnumerable<TestCaseData> Cases => Shapes.Select(
        s => new TestCaseData(s.Shape, s.Lengths).SetArgDisplayNames($"x {s.Shape.X}", $"H {s.Shape.H}", $"{s.Shape.Directions} way", $"lengths {string.Join(" ", s.Lengths)}"));

    private Gru Op => Gru.On(Engine);

    [TestCaseSource(nameof(Cases))]
    public void ForwardAndBackward_MatchReference(GruShape shape, int[] lengths) => AssertMatches(shape, lengths);

    [Test]
    public void ForwardAndBackward_HalfPrecision_MatchReferenceOfRoundedWeights()
    {
        AssertMatches(new GruShape(T: 3, N: 2, I: 3, H: 9, Directions: 2), [1, 3], precision: RecurrentPrecision.Fp16);
        if (IsFast)
            AssertMatches(new GruShape(T: 9, N: 11, I: 40, H: 300), [9, 9, 9, 8, 8, 7, 7, 5, 3, 1, 0], precision: RecurrentPrecision.Fp16);
    }

    /// <remarks>The same sums in the same order: what differs is the rounding of U alone, which System.Half does here.</remarks>
    [Test]
    public void ForwardAndBackward_HalfPrecision_EqualThoseOfRoundedWeights([Values(1, 2)] int directions)
    {
        GruShape shape = IsFast ? new(T: 7, N: 9, I: 31, H: 270, directions) : new(T: 2, N: 9, I: 2, H: 19, directions);
        int[] lengths = SomeLengths(shape);
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        foreach (Weights direction in weights)
        {
            // Normal and subnormal halves, ties to even both ways, what rounds to zero or up to the next power of two; few of those that are large.
            float[] special = [2.9e-8f, 3e-8f, 1e-7f, -5.9e-5f, 6.0999e-5f, 6.1e-5f, 0.33325195f, -0.99990f, 1.00048828f, 1.00146484f, 0.00048828f, -0f];
            for (int i = 0; i < direction.Recurrent.Length; i++)
                direction.Recurrent[i] = i % 3 == 0 ? special[i / 3 % special.Length] : direction.Recurrent[i] * MathF.Pow(2, -i % 24);
            direction.Recurrent[0] = 65519;
            direction.Recurrent[^1] = -65519;
        }

        State half = Run(shape, lengths, x, weights, dY, RecurrentPrecision.Fp16);
        State full = Run(shape, lengths, x, Array.ConvertAll(weights, Rounded), dY);
        Compare.BitEqual(half.Y, full.Y, "y");
        Compare.BitEqual(half.Candidates, full.Candidates, "candidates");
        Compare.BitEqual(half.DX, full.DX, "dX");
        for (int d = 0; d < directions; d++)
            foreach ((float[] isNow, float[] other) in half.Gradients[d].Each().Zip(full.Gradients[d].Each()))
                Compare.BitEqual(isNow, other, "a parameter's gradient");
    }

    /// <remarks>U's relative rounding error is at most 2^-11, 2e-4 in the mean; what it does to states and gradients is of that size, also over many frames.</remarks>
    [Test]
    public void ForwardAndBackward_HalfPrecision_StayNearFullPrecision()
    {
        GruShape shape = IsFast ? new(T: 100, N: 4, I: 64, H: 192, Directions: 2) : new(T: 3, N: 2, I: 3, H: 24, Directions: 2);
        int[] lengths = [.. Enumerable.Repeat(shape.T, shape.N)];
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        State half = Run(shape, lengths, x, weights, dY, RecurrentPrecision.Fp16), full = Run(shape, lengths, x, weights, dY);
        AssertNear(half.Y, full.Y, "y");
        AssertNear(half.DX, full.DX, "dX");
        for (int d = 0; d < shape.Directions; d++)
        {
            AssertNear(half.Gradients[d].Input, full.Gradients[d].Input, "dW");
            AssertNear(half.Gradients[d].Recurrent, full.Gradients[d].Recurrent, "dU");
        }

        static void AssertNear(float[] half, float[] full, string name)
        {
            double[] difference = [.. half.Zip(full, (a, b) => (double)a - b)];
            double relative = Math.Sqrt(Arrays.Dot(difference, difference) / Arrays.Dot(full.ToDouble(), full.ToDouble()));
            TestContext.Out.WriteLine($"{name}: differs by {relative:E1} of its norm");
            Assert.That(relative, Is.InRange(1e-7, 1e-3), name);
        }
    }

    /// <remarks>Not along U: rounded, the loss is a staircase there; its gradient is that of the test above.</remarks>
    [Test]
    public void Backward_HalfPrecision_MatchesFiniteDifferences()
    {
        if (Engine.Name.StartsWith("emulated", StringComparison.Ordinal))
            Assert.Ignore("its results are those of full precision bit for bit, whose differences are taken; here it would take long");
        var shape = new GruShape(T: 4, N: 2, I: 3, H: 4, Directions: 2);
        int[] lengths = [4, 2];
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        State state = Run(shape, lengths, x, weights, dY, RecurrentPrecision.Fp16);
        double Loss(float[] x, Weights first) =>
            Arrays.Dot(Run(shape, lengths, x, [first, .. weights[1..]], dY, RecurrentPrecision.Fp16).Y.ToDouble(), dY.ToDouble());
        Differences.AssertDirection(moved => Loss(moved, weights[0]), x, Normal(x.Length), state.DX, "x");
        float[] gradient = [.. state.Gradients[0].RecurrentBias.Zip(GradientStart(weights[0]).RecurrentBias, (now, start) => now - start)];
        Differences.AssertDirection(
            moved => Loss(x, weights[0] with { RecurrentBias = moved }), weights[0].RecurrentBias, Normal(3 * 4), gradient, "RecurrentBias");
    }

    [Test]
    public void ForwardAndBackward_OddSizes_MatchReference([Values(1, 2)] int directions)
    {
        int[] hiddenSizes = IsFast ? [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129] : [1, 7, 16];
        foreach (int hidden in hiddenSizes)
        {
            int batch = IsFast ? Random.Next(1, 10) : 2, frames = IsFast ? Random.Next(1, 12) : 2;
            var shape = new GruShape(frames, batch, IsFast ? Random.Next(1, 40) : 3, hidden, directions);
            AssertMatches(shape, SomeLengths(shape));
        }
    }

    [Test]
    public void ForwardAndBackward_WideAndLong_MatchReference()
    {
        if (IsFast)
        {
            AssertMatches(new GruShape(T: 9, N: 8, I: 100, H: 256), [9, 9, 8, 8, 7, 5, 3, 1]);
            AssertMatches(new GruShape(T: 5, N: 3, I: 255, H: 257, Directions: 2), [2, 5, 4]);
            AssertMatches(new GruShape(T: 120, N: 17, I: 5, H: 6, Directions: 2), [.. Enumerable.Range(104, 17)]);
        }
        else
        {
            AssertMatches(new GruShape(T: 2, N: 9, I: 3, H: 40), [2, 2, 2, 2, 2, 2, 2, 2, 1]);
            AssertMatches(new GruShape(T: 12, N: 1, I: 2, H: 3), [12]);
        }
    }

    /// <remarks>A group of a GPU serves 8, 16 or 32 utterances: batches around each, and widths around the units that it makes of them.</remarks>
    [TestCase(9, 5, 2, RecurrentPrecision.Fp32, false)]
    [TestCase(16, 17, 1, RecurrentPrecision.Fp32, true)]
    [TestCase(17, 49, 2, RecurrentPrecision.Fp32, false)]
    [TestCase(32, 32, 1, RecurrentPrecision.Fp32, false)]
    [TestCase(33, 20, 1, RecurrentPrecision.Fp32, true)]
    [TestCase(64, 3, 2, RecurrentPrecision.Fp32, false)]
    [TestCase(9, 50, 1, RecurrentPrecision.Fp16, true)]
    [TestCase(16, 6, 2, RecurrentPrecision.Fp16, false)]
    [TestCase(32, 19, 1, RecurrentPrecision.Fp16, false)]
    [TestCase(33, 4, 1, RecurrentPrecision.Fp16, true)]
    public void ForwardAndBackward_LargeBatches_MatchReference(int utterances, int hidden, int directions, RecurrentPrecision precision, bool hasState) => OnOneMultiprocessor(() =>
    {
        var shape = new GruShape(T: 3, utterances, I: 2, hidden, directions);
        AssertMatches(shape, SomeLengths(shape), precision: precision, initial: hasState ? Normal(shape.State.Length) : null);
    });

    [TestCase(16)]
    [TestCase(33)]
    public void ForwardAndBackward_LargeBatches_RepeatedAndOfRoundedWeights_AreBitEqual(int utterances) => OnOneMultiprocessor(() =>
    {
        GruShape shape = IsFast ? new(T: 7, utterances, I: 3, H: 65) : new(T: 3, utterances, I: 3, H: 19);
        int[] lengths = SomeLengths(shape);
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] rounded = Array.ConvertAll(RandomWeights(shape), Rounded);
        State first = Run(shape, lengths, x, rounded, dY);
        AssertSameBits(first, Run(shape, lengths, x, rounded, dY));
        if (Engine is not IlgpuEngine { HasHalf: false })
            AssertSameBits(first, Run(shape, lengths, x, rounded, dY, RecurrentPrecision.Fp16));
    });

    [Test]
    public void ForwardAndBackward_NoFramesOrUtterances_TouchNothing()
    {
        AssertMatches(new GruShape(T: 0, N: 2, I: 3, H: 4), [0, 0]);
        AssertMatches(new GruShape(T: 3, N: 0, I: 3, H: 4, Directions: 2), []);
    }

    [Test]
    public void ForwardAndBackward_AllUtterancesEmpty_AreZero() => AssertMatches(new GruShape(T: 3, N: 2, I: 3, H: 4, Directions: 2), [0, 0]);

    [Test]
    public void Forward_OfABatch_EqualsEachUtteranceAlone([Values(1, 2)] int directions)
    {
        var shape = new GruShape(T: 6, N: 3, I: 4, H: 5, directions);
        int[] lengths = [6, 2, 4];
        float[] x = Normal(shape.X.Length);
        Weights[] weights = RandomWeights(shape);
        float[] batch = Run(shape, lengths, x, weights, Normal(shape.Y.Length)).Y;
        for (int n = 0; n < shape.N; n++)
        {
            GruShape single = shape with { T = lengths[n], N = 1 };
            float[] own = Run(single, [lengths[n]], Utterance(x, n, shape.N, shape.I, lengths[n]), weights, Normal(single.Y.Length)).Y;
            float[] inBatch = Utterance(batch, n, shape.N, shape.H, shape.T);
            Compare.Close(inBatch[..own.Length].ToDouble(), own.ToDouble(), Tolerances.Recurrent(shape.I + shape.H, shape.T), $"utterance {n}");
            Assert.That(inBatch[own.Length..], Is.All.Zero, $"utterance {n}: the state of a padded frame");
        }
    }

    [Test]
    public void ForwardAndBackward_GarbageInPadding_ChangesNothing([Values(1, 2)] int directions)
    {
        var shape = new GruShape(T: 5, N: 3, I: 4, H: 6, directions);
        int[] lengths = [2, 5, 0];
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        State clean = Run(shape, lengths, x, weights, dY);
        State dirty = Run(shape, lengths, Soil(x, lengths, shape.I), weights, Soil(dY, lengths, shape.H));
        Compare.BitEqual(dirty.Y, clean.Y, "y");
        Compare.BitEqual(dirty.DX, clean.DX, "dX");
        for (int d = 0; d < directions; d++)
            foreach ((float[] isNow, float[] was) in dirty.Gradients[d].Each().Zip(clean.Gradients[d].Each()))
                Compare.BitEqual(isNow, was, "a parameter's gradient");
    }

    [TestCase(50)]
    [TestCase(200)]
    [TestCase(1e4f)]
    [TestCase(1e30f)]
    [TestCase(float.PositiveInfinity)]
    public void ForwardAndBackward_LargePreactivations_Saturate(float size)
    {
        // All eight sign patterns of the three gates' biases, a unit each.
        var shape = new GruShape(T: 3, N: 1, I: 2, H: 8, Directions: 2);
        Weights[] weights = RandomWeights(shape);
        foreach (Weights direction in weights)
            for (int gate = 0; gate < 3; gate++)
                for (int j = 0; j < shape.H; j++)
                    direction.InputBias[gate * shape.H + j] = (j >> gate & 1) == 0 ? size : -size;
        AssertMatches(shape, [3], weights);
    }

    [Test]
    public void ForwardAndBackward_NaNPreactivation_IsItsUnitsAlone([Values(0, 1, 2)] int gate)
    {
        var shape = new GruShape(T: 1, N: 2, I: 3, H: 9);
        Weights[] weights = RandomWeights(shape);
        weights[0].InputBias[gate * shape.H + 5] = float.NaN;
        AssertMatches(shape, [1, 1], weights);
    }

    [Test]
    public void Backward_MatchesFiniteDifferences([Values(1, 2)] int directions)
    {
        var shape = new GruShape(T: 4, N: 2, I: 3, H: 4, directions);
        int[] lengths = [4, 2];
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        State state = Run(shape, lengths, x, weights, dY);
        double Loss(float[] x, Weights first) => Arrays.Dot(Run(shape, lengths, x, [first, .. weights[1..]], dY).Y.ToDouble(), dY.ToDouble());
        Differences.AssertDirection(moved => Loss(moved, weights[0]), x, Normal(x.Length), state.DX, "x");
        float[] Gradient(Func<Weights, float[]> of) => [.. of(state.Gradients[0]).Zip(of(GradientStart(weights[0])), (now, start) => now - start)];
        Differences.AssertDirection(
            moved => Loss(x, weights[0] with { Input = moved }), weights[0].Input, Normal(3 * 4 * 3), Gradient(g => g.Input), "Input");
        Differences.AssertDirection(
            moved => Loss(x, weights[0] with { Recurrent = moved }), weights[0].Recurrent, Normal(3 * 4 * 4), Gradient(g => g.Recurrent), "Recurrent");
        Differences.AssertDirection(
            moved => Loss(x, weights[0] with { RecurrentBias = moved }), weights[0].RecurrentBias, Normal(3 * 4), Gradient(g => g.RecurrentBias), "RecurrentBias");
    }

    [Test]
    public void ForwardAndBackward_RepeatedRuns_AreBitEqual([Values(1, 2)] int directions)
    {
        GruShape shape = IsFast ? new(T: 7, N: 5, I: 31, H: 65, directions) : new(T: 3, N: 2, I: 3, H: 9, directions);
        int[] lengths = SomeLengths(shape);
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        AssertSameBits(Run(shape, lengths, x, weights, dY), Run(shape, lengths, x, weights, dY));
    }

    /// <remarks>One thread that does the parts of two must do them frame by frame.</remarks>
    [Test]
    public void ForwardAndBackward_OnFewerThreadsThanTheirParts_GiveTheSameBits([Values(1, 2)] int directions, [Values] RecurrentPrecision precision)
    {
        if (Engine is not HostEngine { Workers: { Threads: > 1 } workers })
        {
            Assert.Ignore("it has no several threads");
            return;
        }

        GruShape shape = new(T: 7, N: 5, I: 31, H: 165, directions);
        int[] lengths = SomeLengths(shape);
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        try
        {
            workers.Width.Fix(1);
            State onAll = Run(shape, lengths, x, weights, dY, precision);
            workers.Width.Fix(2);
            AssertSameBits(onAll, Run(shape, lengths, x, weights, dY, precision));
        }
        finally
        {
            workers.Width.Fix(null);
        }
    }

    /// <remarks>Memory is taken for the longest batch before the first step: a shorter one, or one of fewer utterances, may go another way and must not want more.</remarks>
    [TestCase(20, 32)]
    [TestCase(40, 512)]
    public void Workspaces_AreEnoughForShorterBatches(int i, int h)
    {
        var largest = new GruShape(T: 60, N: 18, I: i, H: h, Directions: 2);
        int forward = Op.ForwardWorkspace(largest), infer = Op.InferWorkspace(largest), backward = Op.BackwardWorkspace(largest);
        for (int n = 1; n <= largest.N; n++)
        {
            for (int t = 1; t <= largest.T; t++)
            {
                GruShape shape = largest with { T = t, N = n };
                Assert.That(Op.ForwardWorkspace(shape), Is.LessThanOrEqualTo(forward), $"forward, {shape}");
                Assert.That(Op.InferWorkspace(shape), Is.LessThanOrEqualTo(infer), $"without gradients, {shape}");
                Assert.That(Op.BackwardWorkspace(shape), Is.LessThanOrEqualTo(backward), $"backward, {shape}");
            }
        }
    }

    /// <remarks>Weight gradients of so many frames that a GPU cuts their sums.</remarks>
    [TestCase(1)]
    [TestCase(2)]
    public void ForwardAndBackward_ManyFrames_MatchReference(int directions)
    {
        var shape = new GruShape(T: 24, N: 3, I: 5, H: 6, Directions: directions);
        if (Engine is IlgpuEngine gpu)
            Assert.That(GemmSlices.Of(new GemmShape(3 * shape.H, shape.I, shape.T * shape.N, TransposeA: true), gpu.Multiprocessors).Count, Is.GreaterThan(1), "slices");
        AssertMatches(shape, [24, 7, 23]);
    }

    [Test]
    public void ForwardAndBackward_WrongArguments_AreRefused()
    {
        var shape = new GruShape(T: 3, N: 2, I: 4, H: 5);
        Tensor x = Input(shape.X), hidden = Output(shape.Hidden), gates = Output(shape.Gates), candidates = Output(shape.Hidden);
        IntTensor lengths = IntInput(new Shape(2), [3, 3], "lengths");
        GruWeights weights = Upload(shape, RandomWeights(shape)[0]);
        Workspace scratch = Scratch(Math.Max(Op.ForwardWorkspace(shape), Op.BackwardWorkspace(shape)));
        Tensor y = hidden.Reshape(shape.Y), apart = Output(shape.Y);
        AssertRefused(() => Op.Forward(shape, y, lengths, [weights], y, hidden, gates, candidates, scratch), "x is [3, 2, 5]", "expected [3, 2, 4]");
        AssertRefused(() => Op.Forward(shape, x, lengths, [weights, weights], y, hidden, gates, candidates, scratch), "weights has 2 entries");
        AssertRefused(
            () => Op.Forward(shape, x, lengths, [weights with { Recurrent = weights.Input }], y, hidden, gates, candidates, scratch),
            "weights.Recurrent is [15, 4]", "expected [15, 5]");
        AssertRefused(() => Op.Forward(shape, x, lengths, [weights], apart, hidden, gates, candidates, scratch), "hidden states themselves");
        AssertRefused(() => Op.Forward(shape, x, lengths, [weights], y, hidden, gates, hidden, scratch), "candidates [1, 3, 2, 5] overlaps hidden [1, 3, 2, 5]");
        AssertRefused(() => Op.Forward(shape with { Directions = 3 }, x, lengths, [weights], y, hidden, gates, candidates, scratch), "directions");
        AssertRefused(
            () => Op.Backward(shape, x, lengths, [weights], hidden, gates, candidates, apart, x, [weights], scratch), "dX [3, 2, 4] overlaps x [3, 2, 4]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape.X);
        AssertRefused(() => Op.Forward(shape, elsewhere, lengths, [weights], y, hidden, gates, candidates, scratch), "x [3, 2, 4]", Engine.Name);
        if (Op.ForwardWorkspace(shape) > 0)
            AssertRefused(() => Op.Forward(shape, x, lengths, [weights], y, hidden, gates, candidates, Scratch(0)), "workspace");
        if (Op.BackwardWorkspace(shape) > 0)
            AssertRefused(
                () => Op.Backward(shape, x, lengths, [weights], hidden, gates, candidates, apart, Output(shape.X), [weights], Scratch(0)), "workspace");
    }

    private void AssertMatches(
        GruShape shape, int[] lengths, Weights[]? given = null, RecurrentPrecision precision = RecurrentPrecision.Fp32, float[]? initial = null)
    {
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = given ?? RandomWeights(shape);
        State state = Run(shape, lengths, x, weights, dY, precision, initial);
        GruParameters[] parameters = Array.ConvertAll(weights, w => (precision == RecurrentPrecision.Fp16 ? Rounded(w) : w).ToDouble());
        GruReference.Result expected = GruReference.Forward(shape, x.ToDouble(), lengths, parameters, initial?.ToDouble());
        (double[] dX, GruParameters[] gradients, double[] dInitial) =
            GruReference.Backward(shape, x.ToDouble(), lengths, parameters, dY.ToDouble(), initial?.ToDouble());

        string context = $"{shape.X}, H {shape.H}, {shape.Directions} directions, lengths {string.Join(" ", lengths)}";
        Tolerance forward = Tolerances.Recurrent(shape.I + shape.H, shape.T), backward = Tolerances.Recurrent(4 * shape.H, shape.T);
        Tolerance overFrames = Tolerances.Recurrent(4 * shape.H + shape.T * shape.N, shape.T);
        Compare.Close(state.Y.ToDouble(), expected.Y, forward, $"y {context}", shape.Y);
        Compare.Close(state.Hidden.ToDouble(), expected.Hidden, forward, $"hidden {context}", shape.Hidden);
        Compare.Close(Valid(state.Gates, shape, lengths, 3 * shape.H), expected.Gates, forward, $"gates {context}", shape.Gates);
        Compare.Close(Valid(state.Candidates, shape, lengths, shape.H), expected.Candidates, forward, $"candidates {context}", shape.Hidden);
        Compare.Close(state.DX.ToDouble(), dX, backward, $"dX {context}", shape.X);
        if (initial is not null)
        {
            Compare.BitEqual(state.Final!, FinalStates(shape, lengths, state.Hidden, initial), $"final {context}");
            Compare.Close(state.DInitial!.ToDouble(), dInitial, backward, $"dInitial {context}", shape.State);
        }

        for (int d = 0; d < shape.Directions; d++)
        {
            GruParameters start = GradientStart(weights[d]).ToDouble(), now = state.Gradients[d].ToDouble();
            Compare.Close(now.Input, gradients[d].Input.Plus(start.Input), overFrames, $"dInput of direction {d}, {context}", shape.InputWeight);
            Compare.Close(now.Recurrent, gradients[d].Recurrent.Plus(start.Recurrent), overFrames, $"dRecurrent of direction {d}, {context}", shape.RecurrentWeight);
            Compare.Close(now.InputBias, gradients[d].InputBias.Plus(start.InputBias), overFrames, $"dInputBias of direction {d}, {context}");
            Compare.Close(now.RecurrentBias, gradients[d].RecurrentBias.Plus(start.RecurrentBias), overFrames, $"dRecurrentBias of direction {d}, {context}");
        }
    }

    /// <summary>Has a GPU's launches divided for a single multiprocessor: groups then serve as many utterances as in a wide layer.</summary>
    private void OnOneMultiprocessor(Action test)
    {
        if (Engine is not IlgpuEngine gpu)
        {
            test();
            return;
        }

        int multiprocessors = gpu.Multiprocessors;
        gpu.Multiprocessors = 1;
        try
        {
            test();
        }
        finally
        {
            gpu.Multiprocessors = multiprocessors;
        }
    }

    private static Weights Rounded(Weights weights) => weights with { Recurrent = Array.ConvertAll(weights.Recurrent, u => (float)(Half)u) };

    // With an initial state, or where it is asked for, the final state and the initial one's gradient as well.
    private static void AssertSameBits(State expected, State actual)
    {
        Compare.BitEqual(actual.Y, expected.Y, "y");
        Compare.BitEqual(actual.DX, expected.DX, "dX");
        for (int d = 0; d < expected.Gradients.Length; d++)
            foreach ((float[] now, float[] before) in actual.Gradients[d].Each().Zip(expected.Gradients[d].Each()))
                Compare.BitEqual(now, before, "a parameter's gradient");
    }

    private State Run(
        GruShape shape, int[] lengths, float[] x, Weights[] weights, float[] dY, RecurrentPrecision precision = RecurrentPrecision.Fp32,
        float[]? initial = null, bool givesStates = false)
    {
        SkipWithoutHalf(precision);
        var op = Gru.On(Engine, precision);
        Tensor xTensor = Input(shape.X, x), hidden = Output(shape.Hidden, "hidden"), gates = Output(shape.Gates, "gates");
        Tensor candidates = Output(shape.Hidden, "candidates"), y = shape.Directions == 1 ? hidden.Reshape(shape.Y) : Output(shape.Y, "y");
        IntTensor lengthTensor = IntInput(new Shape(shape.N), lengths);
        GruWeights[] onEngine = Array.ConvertAll(weights, w => Upload(shape, w));
        Tensor? before = initial is null ? null : Input(shape.State, initial);
        Tensor? final = initial is null && !givesStates ? null : Output(shape.State, "final"), dInitial = final is null ? null : Output(shape.State, "dInitial");
        op.Forward(shape, xTensor, lengthTensor, onEngine, y, hidden, gates, candidates, Scratch(op.ForwardWorkspace(shape)), before, final);
        float[] yResult = y.ToArray(), hiddenResult = hidden.ToArray(), gatesResult = gates.ToArray(), candidatesResult = candidates.ToArray();

        Tensor dX = Output(shape.X, "dX");
        GruWeights[] gradients = Array.ConvertAll(weights, w => UploadGradients(shape, GradientStart(w)));
        op.Backward(
            shape, xTensor, lengthTensor, onEngine, hidden, gates, candidates, Input(shape.Y, dY), dX, gradients, Scratch(op.BackwardWorkspace(shape)),
            before, dInitial);
        Compare.BitEqual(hidden.ToArray(), hiddenResult, "hidden, an input of Backward");
        var state = new State(
            yResult, hiddenResult, gatesResult, candidatesResult, dX.ToArray(),
            Array.ConvertAll(gradients, g => new Weights(g.Input.ToArray(), g.Recurrent.ToArray(), g.InputBias.ToArray(), g.RecurrentBias.ToArray())),
            final?.ToArray(), dInitial?.ToArray());
        NextCase();
        return state;
    }

    private void SkipWithoutHalf(RecurrentPrecision precision)
    {
        if (precision == RecurrentPrecision.Fp16 && Engine is IlgpuEngine { HasHalf: false })
            Assert.Ignore("the device has no half precision");
    }

    private Weights[] RandomWeights(GruShape shape)
    {
        // Pre-activations of size 1 or so, whatever the widths: neither linear nor saturated.
        Weights One() => new(
            Normal(shape.InputWeight.Length, 1 / Math.Sqrt(shape.I)), Normal(shape.RecurrentWeight.Length, 1 / Math.Sqrt(shape.H)),
            Normal(shape.Bias.Length, 0.5), Normal(shape.Bias.Length, 0.5));
        return [.. Enumerable.Range(0, shape.Directions).Select(_ => One())];
    }

    private int[] SomeLengths(GruShape shape) => [.. Enumerable.Range(0, shape.N).Select(n => n == 0 ? shape.T : Random.Next(0, shape.T + 1))];

    private GruWeights Upload(GruShape shape, Weights weights) => new(
        Input(shape.InputWeight, weights.Input), Input(shape.RecurrentWeight, weights.Recurrent),
        Input(shape.Bias, weights.InputBias), Input(shape.Bias, weights.RecurrentBias));

    private GruWeights UploadGradients(GruShape shape, Weights start) => new(
        Accumulator(shape.InputWeight, start.Input), Accumulator(shape.RecurrentWeight, start.Recurrent),
        Accumulator(shape.Bias, start.InputBias), Accumulator(shape.Bias, start.RecurrentBias));

    // What the gradients hold before the backward pass: something of the right shape that isn't zero.
    private static Weights GradientStart(Weights weights)
    {
        static float[] Start(float[] like) => [.. like.Select((_, i) => i % 3 == 0 ? 0.5f : -0.25f)];
        return new Weights(Start(weights.Input), Start(weights.Recurrent), Start(weights.InputBias), Start(weights.RecurrentBias));
    }

    // The frames of utterance n of [T, N, width], up to a length.
    private static float[] Utterance(float[] batch, int n, int utterances, int width, int length) =>
        [.. Enumerable.Range(0, length).SelectMany(t => batch[((t * utterances + n) * width)..((t * utterances + n + 1) * width)])];

    // [Directions, T, N, width] with 0 at padded frames, whatever stood there.
    private static double[] Valid(float[] values, GruShape shape, int[] lengths, int width)
    {
        double[] valid = values.ToDouble();
        for (int i = 0; i < valid.Length; i++)
        {
            int row = i / width;
            if (row / shape.N % shape.T >= lengths[row % shape.N])
                valid[i] = 0;
        }

        return valid;
    }

    // The same numbers with NaN or huge ones at every padded frame.
    private static float[] Soil(float[] clean, int[] lengths, int width)
    {
        var dirty = new float[clean.Length];
        for (int i = 0; i < clean.Length; i++)
        {
            int row = i / width;
            dirty[i] = row / lengths.Length < lengths[row % lengths.Length] ? clean[i] : i % 2 == 0 ? float.NaN : 1e30f;
        }

        return dirty;
    }

    private sealed record Weights(float[] Input, float[] Recurrent, float[] InputBias, float[] RecurrentBias)
    {
        public float[][] Each() => [Input, Recurrent, InputBias, RecurrentBias];

        public GruParameters ToDouble() => new(Input.ToDouble(), Recurrent.ToDouble(), InputBias.ToDouble(), RecurrentBias.ToDouble());
    }

    private sealed record State(float[] Y, float[] Hidden, float[] Gates, float[] Candidates, float[] DX, Weights[] Gradients, float[]? Final, float[]? DInitial);
}

public sealed class GruReferenceTests
{
    [TestCase(1)]
    [TestCase(2)]
    public void Backward_MatchesFiniteDifferences(int directions)
    {
        var shape = new GruShape(T: 4, N: 3, I: 2, H: 3, directions);
        int[] lengths = [4, 0, 3];
        double[] x = Arrays.Normal(shape.X.Length, seed: 1), dY = Arrays.Normal(shape.Y.Length, seed: 2);
        GruParameters[] parameters = [.. Enumerable.Range(0, directions).Select(d => new GruParameters(
            Arrays.Normal(shape.InputWeight.Length, 10 + d), Arrays.Normal(shape.RecurrentWeight.Length, 20 + d),
            Arrays.Normal(shape.Bias.Length, 30 + d), Arrays.Normal(shape.Bias.Length, 40 + d)))];
        double[]? initial = directions == 1 ? Arrays.Normal(shape.State.Length, seed: 3) : null;
        double Loss() => Arrays.Dot(GruReference.Forward(shape, x, lengths, parameters, initial).Y, dY);
        (double[] dX, GruParameters[] gradients, double[] dInitial) = GruReference.Backward(shape, x, lengths, parameters, dY, initial);
        Differences.AssertGradient(Loss, x, dX, "x");
        if (initial is not null)
            Differences.AssertGradient(Loss, initial, dInitial, "Initial");
        for (int d = 0; d < directions; d++)
        {
            Differences.AssertGradient(Loss, parameters[d].Input, gradients[d].Input, "Input");
            Differences.AssertGradient(Loss, parameters[d].Recurrent, gradients[d].Recurrent, "Recurrent");
            Differences.AssertGradient(Loss, parameters[d].InputBias, gradients[d].InputBias, "InputBias");
            Differences.AssertGradient(Loss, parameters[d].RecurrentBias, gradients[d].RecurrentBias, "RecurrentBias");
        }
    }
}
