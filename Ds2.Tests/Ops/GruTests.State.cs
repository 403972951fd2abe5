using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

/// <summary>The state that a sequence in pieces takes from one to the next.</summary>
public sealed partial class GruTests
{
    private static IEnumerable<TestCaseData> OneDirection => Cases.Where(test => ((GruShape)test.Arguments[0]!).Directions == 1);

    // More utterances than a group takes or than fill register blocks, units beyond a panel's; in all at most 64 input frames, which one kernel of the host's multiplies.
    private GruShape Uneven => IsFast ? new(T: 5, N: 11, I: 7, H: 300) : new(T: 3, N: 9, I: 2, H: 10);

    [TestCaseSource(nameof(OneDirection))]
    public void ForwardAndBackward_WithAState_MatchReference(GruShape shape, int[] lengths) => AssertMatches(shape, lengths, initial: Normal(shape.State.Length));

    [Test]
    public void ForwardAndBackward_WithAState_ManyUtterances_MatchReference([Values] RecurrentPrecision precision)
    {
        GruShape shape = Uneven;
        AssertMatches(shape, SomeLengths(shape), precision: precision, initial: Normal(shape.State.Length));
    }

    [Test]
    public void ForwardAndBackward_WithAState_NoFramesOrUtterances_PassItOn()
    {
        AssertMatches(new GruShape(T: 0, N: 2, I: 3, H: 4), [0, 0], initial: Normal(8));
        AssertMatches(new GruShape(T: 3, N: 0, I: 3, H: 4), [], initial: []);
        AssertMatches(new GruShape(T: 1, N: 2, I: 3, H: 4), [0, 0], initial: Normal(8));
    }

    [Test]
    public void ForwardAndBackward_StateOfZeros_EqualNone([Values] RecurrentPrecision precision)
    {
        GruShape shape = Uneven with { T = 2 };
        int[] lengths = SomeLengths(shape);
        lengths[1] = 0;
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        State none = Run(shape, lengths, x, weights, dY, precision);
        State asked = Run(shape, lengths, x, weights, dY, precision, givesStates: true);
        State zeros = Run(shape, lengths, x, weights, dY, precision, initial: new float[shape.State.Length]);
        AssertBitEqual(asked, none);
        AssertBitEqual(zeros, none);
        Compare.BitEqual(zeros.Final!, asked.Final!, "final");
        Compare.BitEqual(zeros.DInitial!, asked.DInitial!, "dInitial");
        Compare.BitEqual(asked.Final!, FinalStates(shape, lengths, none.Hidden, new float[shape.State.Length]), "final");
        Assert.That(asked.DInitial, Has.Some.Not.Zero);
        Assert.That(asked.DInitial![shape.H..(2 * shape.H)], Is.All.Zero, "an empty utterance's");
    }

    [Test]
    public void Forward_InTwoPieces_EqualsTheWhole([Values] RecurrentPrecision precision) =>
        ForEachCut(Uneven, precision, (pieces, whole, what) => Compare.BitEqual(pieces, whole, what));

    /// <remarks>
    /// Other kernels multiply fewer frames with the input weight, and a GPU's odd frames sum the products with more than 128 units (fewer in large batches) from the other end: a piece that starts with
    /// an odd frame has other odd frames. So it is not the same bit for bit.
    /// </remarks>
    [Test]
    public void Forward_InTwoPiecesOfManyFeaturesAndUnits_StaysNearTheWhole()
    {
        if (Engine.Name.StartsWith("emulated", StringComparison.Ordinal))
            Assert.Ignore("more than 256 units take minutes here");
        GruShape shape = IsFast ? new(T: 9, N: 9, I: 400, H: 270) : new(T: 3, N: 2, I: 40, H: 400);
        Tolerance tolerance = Tolerances.Reordered(shape.I + shape.H, shape.T);
        ForEachCut(shape, RecurrentPrecision.Fp32, (pieces, whole, what) => Compare.Close(pieces.ToDouble(), whole.ToDouble(), tolerance, what));
    }

    /// <remarks>A final state's gradient is one of the last frame's output: that is how the second piece's goes into the first.</remarks>
    [Test]
    public void Backward_InTwoPieces_AddsUpToTheWhole([Values] RecurrentPrecision precision)
    {
        GruShape shape = Uneven;
        int[] lengths = SomeLengths(shape);
        lengths[1] = 0;
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length), initial = Normal(shape.State.Length);
        Weights[] weights = RandomWeights(shape);
        State whole = Run(shape, lengths, x, weights, dY, precision, initial);
        Tolerance tolerance = Tolerances.Recurrent(4 * shape.H + shape.T * shape.N, shape.T);
        foreach (int cut in IsFast ? (int[])[1, shape.T / 2, shape.T - 1] : [1])
        {
            (GruShape firstShape, GruShape secondShape) = (shape with { T = cut }, shape with { T = shape.T - cut });
            float[] firstX = x[..firstShape.X.Length], firstDY = dY[..firstShape.Y.Length];
            int[] firstLengths = Before(lengths, cut);
            (_, float[] state) = RunForward(firstShape, firstLengths, firstX, weights, precision, initial);
            State second = Run(secondShape, After(lengths, cut), x[firstShape.X.Length..], weights, dY[firstShape.Y.Length..], precision, state);
            for (int i = 0; i < shape.State.Length; i++)
                if (firstLengths[i / shape.H] is > 0 and int length)
                    firstDY[(length - 1) * shape.State.Length + i] += second.DInitial![i];
            State first = Run(firstShape, firstLengths, firstX, weights, firstDY, precision, initial);
            Compare.Close(((float[])[.. first.DX, .. second.DX]).ToDouble(), whole.DX.ToDouble(), tolerance, $"dX, cut at {cut}", shape.X);
            Compare.Close(first.DInitial!.ToDouble(), whole.DInitial!.ToDouble(), tolerance, $"dInitial, cut at {cut}", shape.State);
            float[][] start = GradientStart(weights[0]).Each(), firsts = first.Gradients[0].Each(), seconds = second.Gradients[0].Each(), wholes = whole.Gradients[0].Each();
            for (int i = 0; i < start.Length; i++)
                Compare.Close(
                    firsts[i].ToDouble().Plus(seconds[i].ToDouble()), wholes[i].ToDouble().Plus(start[i].ToDouble()), tolerance, $"gradient {i}, cut at {cut}");
        }
    }

    /// <remarks>One frame: dU comes from the initial state alone.</remarks>
    [TestCase(1)]
    [TestCase(3)]
    public void Backward_WithAState_MatchesFiniteDifferences(int frames)
    {
        var shape = new GruShape(frames, N: 2, I: 3, H: 4);
        int[] lengths = [frames, 1];
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length), initial = Normal(shape.State.Length);
        Weights[] weights = RandomWeights(shape);
        State state = Run(shape, lengths, x, weights, dY, initial: initial);
        double Loss(float[] initial, float[] recurrent) => Arrays.Dot(
            RunForward(shape, lengths, x, [weights[0] with { Recurrent = recurrent }], RecurrentPrecision.Fp32, initial).Hidden.ToDouble(), dY.ToDouble());
        Differences.AssertDirection(moved => Loss(moved, weights[0].Recurrent), initial, Normal(initial.Length), state.DInitial!, "Initial");
        float[] dU = [.. state.Gradients[0].Recurrent.Zip(GradientStart(weights[0]).Recurrent, (now, start) => now - start)];
        Differences.AssertDirection(moved => Loss(initial, moved), weights[0].Recurrent, Normal(3 * 4 * 4), dU, "Recurrent");
    }

    [Test]
    public void Forward_FinalStateInPlaceOfTheInitial_IsTheSame()
    {
        var shape = new GruShape(T: 3, N: 4, I: 3, H: 5);
        int[] lengths = [3, 0, 1, 2];
        float[] x = Normal(shape.X.Length), initial = Normal(shape.State.Length);
        Weights[] weights = RandomWeights(shape);
        (float[] hidden, float[] final) = RunForward(shape, lengths, x, weights, RecurrentPrecision.Fp32, initial);
        (float[] hiddenInPlace, float[] finalInPlace) = RunForward(shape, lengths, x, weights, RecurrentPrecision.Fp32, initial, inPlace: true);
        Compare.BitEqual(hiddenInPlace, hidden, "hidden");
        Compare.BitEqual(finalInPlace, final, "final");
        Compare.BitEqual(final, FinalStates(shape, lengths, hidden, initial), "final");
    }

    [Test]
    public void ForwardAndBackward_WrongStates_AreRefused()
    {
        var shape = new GruShape(T: 3, N: 2, I: 5, H: 5);
        Tensor x = Input(shape.X), hidden = Output(shape.Hidden), gates = Output(shape.Gates), candidates = Output(shape.Hidden), dX = Output(shape.X), dY = Input(shape.Y);
        Tensor wide = Output(new Shape(2, 6)), state = Output(shape.State);
        IntTensor lengths = IntInput(new Shape(2), [3, 3], "lengths");
        GruWeights weights = Upload(shape, RandomWeights(shape)[0]);
        Workspace scratch = Scratch(Math.Max(Op.ForwardWorkspace(shape with { Directions = 2 }), Op.BackwardWorkspace(shape with { Directions = 2 })));
        Forward(wide, null, "initial is [2, 6], expected [2, 5]");
        Forward(null, wide, "final is [2, 6], expected [2, 5]");
        Forward(hidden.Slice(0, shape.State), null, "hidden [1, 3, 2, 5] overlaps initial [2, 5]");
        Forward(gates.Slice(0, shape.State), null, "gates [1, 3, 2, 15] overlaps initial [2, 5]");
        Forward(candidates.Slice(0, shape.State), null, "candidates [1, 3, 2, 5] overlaps initial [2, 5]");
        Forward(null, x.Slice(0, shape.State), "final [2, 5] overlaps x [3, 2, 5]");
        Forward(null, hidden.Slice(0, shape.State), "final [2, 5] overlaps hidden [1, 3, 2, 5]");
        Forward(null, gates.Slice(0, shape.State), "final [2, 5] overlaps gates [1, 3, 2, 15]");
        Forward(null, candidates.Slice(0, shape.State), "final [2, 5] overlaps candidates [1, 3, 2, 5]");
        Forward(wide.Slice(0, shape.State), wide.Slice(2, shape.State), "final [2, 5] overlaps initial [2, 5]");
        Backward(wide, null, "initial is [2, 6], expected [2, 5]");
        Backward(null, wide, "dInitial is [2, 6], expected [2, 5]");
        Backward(dX.Slice(0, shape.State), null, "dX [3, 2, 5] overlaps initial [2, 5]");
        Backward(gates.Slice(0, shape.State), null, "gates [1, 3, 2, 15] overlaps initial [2, 5]");
        Backward(candidates.Slice(0, shape.State), null, "candidates [1, 3, 2, 5] overlaps initial [2, 5]");
        Backward(null, x.Slice(0, shape.State), "dInitial [2, 5] overlaps x [3, 2, 5]");
        Backward(null, hidden.Slice(0, shape.State), "dInitial [2, 5] overlaps hidden [1, 3, 2, 5]");
        Backward(null, gates.Slice(0, shape.State), "dInitial [2, 5] overlaps gates [1, 3, 2, 15]");
        Backward(null, candidates.Slice(0, shape.State), "dInitial [2, 5] overlaps candidates [1, 3, 2, 5]");
        Backward(null, dY.Slice(0, shape.State), "dInitial [2, 5] overlaps dY [3, 2, 5]");
        Backward(null, dX.Slice(0, shape.State), "dInitial [2, 5] overlaps dX [3, 2, 5]");
        Backward(state, state, "dInitial [2, 5] overlaps initial [2, 5]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape.State);
        Forward(elsewhere, null, "initial [2, 5]", Engine.Name);

        // Two directions: a state is refused, whatever its shape.
        GruShape both = shape with { Directions = 2 };
        Tensor states = Output(both.Hidden), bothGates = Output(both.Gates), bothCandidates = Output(both.Hidden), sum = Output(shape.Y);
        foreach (Tensor given in (Tensor[])[state, Output(new Shape(2, 2, 5))])
        {
            string refusal = $"{given.Shape} is a state of one direction; a GRU of 2, [2, 3, 2, 5], starts with zeros";
            AssertRefused(() => Op.Forward(both, x, lengths, [weights, weights], sum, states, bothGates, bothCandidates, scratch, initial: given), $"initial {refusal}");
            AssertRefused(() => Op.Forward(both, x, lengths, [weights, weights], sum, states, bothGates, bothCandidates, scratch, final: given), $"final {refusal}");
            AssertRefused(
                () => Op.Backward(both, x, lengths, [weights, weights], states, bothGates, bothCandidates, dY, dX, [weights, weights], scratch, dInitial: given),
                $"dInitial {refusal}");
        }

        void Forward(Tensor? initial, Tensor? final, params string[] inMessage) => AssertRefused(
            () => Op.Forward(shape, x, lengths, [weights], hidden.Reshape(shape.Y), hidden, gates, candidates, scratch, initial, final), inMessage);

        void Backward(Tensor? initial, Tensor? dInitial, params string[] inMessage) => AssertRefused(
            () => Op.Backward(shape, x, lengths, [weights], hidden, gates, candidates, dY, dX, [weights], scratch, initial, dInitial), inMessage);
    }

    // What two pieces give beside the whole, the states of all frames and the last, wherever the sequence is cut.
    private void ForEachCut(GruShape shape, RecurrentPrecision precision, Action<float[], float[], string> compare)
    {
        int[] lengths = SomeLengths(shape);
        lengths[^1] /= 2;
        float[] x = Normal(shape.X.Length), initial = Normal(shape.State.Length);
        Weights[] weights = RandomWeights(shape);
        (float[] hidden, float[] final) = RunForward(shape, lengths, x, weights, precision, initial);
        for (int cut = 0; cut <= shape.T; cut++)
        {
            (GruShape first, GruShape second) = (shape with { T = cut }, shape with { T = shape.T - cut });
            (float[] early, float[] state) = RunForward(first, Before(lengths, cut), x[..first.X.Length], weights, precision, initial);
            (float[] late, float[] last) = RunForward(second, After(lengths, cut), x[first.X.Length..], weights, precision, state);
            compare([.. early, .. late], hidden, $"hidden, cut at {cut}");
            compare(last, final, $"final, cut at {cut}");
        }
    }

    private (float[] Hidden, float[] Final) RunForward(
        GruShape shape, int[] lengths, float[] x, Weights[] weights, RecurrentPrecision precision, float[] initial, bool inPlace = false)
    {
        SkipWithoutHalf(precision);
        var op = Gru.On(Engine, precision);
        Tensor hidden = Output(shape.Hidden), final = inPlace ? Accumulator(shape.State, initial) : Output(shape.State);
        op.Forward(
            shape, Input(shape.X, x), IntInput(new Shape(shape.N), lengths), [Upload(shape, weights[0])], hidden.Reshape(shape.Y), hidden, Output(shape.Gates),
            Output(shape.Hidden), Scratch(op.ForwardWorkspace(shape)), inPlace ? final : Input(shape.State, initial), final);
        (float[], float[]) result = (hidden.ToArray(), final.ToArray());
        NextCase();
        return result;
    }

    private static void AssertBitEqual(State actual, State expected)
    {
        Compare.BitEqual(actual.Hidden, expected.Hidden, "hidden");
        Compare.BitEqual(actual.Gates, expected.Gates, "gates");
        Compare.BitEqual(actual.Candidates, expected.Candidates, "candidates");
        Compare.BitEqual(actual.DX, expected.DX, "dX");
        foreach ((float[] isNow, float[] other) in actual.Gradients[0].Each().Zip(expected.Gradients[0].Each()))
            Compare.BitEqual(isNow, other, "a parameter's gradient");
    }

    private static int[] Before(int[] lengths, int cut) => [.. lengths.Select(length => Math.Min(length, cut))];

    private static int[] After(int[] lengths, int cut) => [.. lengths.Select(length => Math.Max(length - cut, 0))];

    // Each utterance's last state, copied; of an empty one the initial state.
    private static float[] FinalStates(GruShape shape, int[] lengths, float[] hidden, float[] initial) =>
    [
        .. Enumerable.Range(0, shape.N).SelectMany(n => lengths[n] == 0
            ? initial[(n * shape.H)..((n + 1) * shape.H)]
            : hidden[(((lengths[n] - 1) * shape.N + n) * shape.H)..(((lengths[n] - 1) * shape.N + n + 1) * shape.H)]),
    ];
}
