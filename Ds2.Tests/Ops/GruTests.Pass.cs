using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Tests.Ops;

/// <summary>All frames in one launch, where the device has launches whose groups wait for each other: sizes around those of a group, of a part and of the device.</summary>
public sealed partial class GruTests
{
    // Of 10 units a group, 128 k a piece, eight utterances a launch: one group and several, the last one short or whole; one launch and two.
    private static readonly (GruShape Shape, int[] Lengths)[] PassShapes =
    [
        (new(T: 4, N: 8, I: 3, H: 20, Directions: 2), [4, 4, 3, 3, 2, 2, 1, 0]),
        (new(T: 3, N: 9, I: 2, H: 131, Directions: 2), [3, 1, 3, 3, 3, 3, 2, 0, 3]),
        (new(T: 2, N: 16, I: 2, H: 30), [2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0]),
        (new(T: 3, N: 5, I: 2, H: 511, Directions: 2), [3, 3, 2, 1, 3]),
        (new(T: 3, N: 8, I: 2, H: 512, Directions: 2), [3, 3, 3, 3, 3, 2, 2, 1]),
        (new(T: 2, N: 3, I: 2, H: 512), [2, 2, 1]),

        // Wider ones, of whose U some stays: chunks of k that all stay; some between those that stay, and behind them; two directions.
        (new(T: 4, N: 8, I: 2, H: 513), [4, 4, 3, 3, 2, 2, 1, 0]),
        (new(T: 3, N: 3, I: 2, H: 1203), [3, 2, 3]),
        (new(T: 3, N: 6, I: 2, H: 1000, Directions: 2), [3, 3, 2, 1, 3, 2]),

        // One frame, one utterance; the widest of two directions that fits.
        (new(T: 1, N: 1, I: 2, H: 513), [1]),
        (new(T: 2, N: 8, I: 2, H: 1764, Directions: 2), [2, 2, 2, 1, 2, 2, 2, 2]),
    ];

    private static IEnumerable<TestCaseData> PassCases => PassShapes.Select(
        s => new TestCaseData(s.Shape, s.Lengths).SetArgDisplayNames($"N {s.Shape.N}", $"H {s.Shape.H}", $"{s.Shape.Directions} way"));

    [TestCaseSource(nameof(PassCases))]
    public void InOneLaunch_ForwardAndBackward_MatchReference(GruShape shape, int[] lengths)
    {
        NeedsCooperation();
        AssertMatches(shape, lengths);
        if (shape.Directions == 1)
            AssertMatches(shape, lengths, precision: RecurrentPrecision.Fp16, initial: Normal(shape.State.Length));
    }

    [Test]
    public void InOneLaunch_RepeatedRuns_AreBitEqual([Values(93, 522)] int hidden, [Values] RecurrentPrecision precision)
    {
        NeedsCooperation();
        GruShape shape = new(T: 6, N: 5, I: 3, H: hidden, Directions: 2);
        int[] lengths = SomeLengths(shape);
        float[] x = Normal(shape.X.Length), dY = Normal(shape.Y.Length);
        Weights[] weights = RandomWeights(shape);
        AssertSameBits(Run(shape, lengths, x, weights, dY, precision), Run(shape, lengths, x, weights, dY, precision));
    }

    /// <remarks>The order of the sums does not depend on where among the eight an utterance stands, nor on which eight.</remarks>
    [Test]
    public void InOneLaunch_AnUtterancesPlace_ChangesNoBit()
    {
        NeedsCooperation();
        GruShape shape = new(T: 4, N: 11, I: 3, H: 70, Directions: 2);
        float[] one = Normal(shape.T * shape.I), x = new float[shape.X.Length];
        for (int i = 0; i < x.Length; i++)
            x[i] = one[i / (shape.N * shape.I) * shape.I + i % shape.I];
        float[] oneDY = Normal(shape.T * shape.H), dY = new float[shape.Y.Length];
        for (int i = 0; i < dY.Length; i++)
            dY[i] = oneDY[i / (shape.N * shape.H) * shape.H + i % shape.H];
        State state = Run(shape, [.. Enumerable.Repeat(shape.T, shape.N)], x, RandomWeights(shape), dY);
        for (int n = 1; n < shape.N; n++)
        {
            Compare.BitEqual(Utterance(state.Y, n, shape.N, shape.H, shape.T), Utterance(state.Y, 0, shape.N, shape.H, shape.T), $"y of utterance {n}");
            Compare.BitEqual(Utterance(state.DX, n, shape.N, shape.I, shape.T), Utterance(state.DX, 0, shape.N, shape.I, shape.T), $"dX of utterance {n}");
        }
    }

    private void NeedsCooperation()
    {
        if (Engine is not IlgpuEngine { HasCooperativeLaunch: true })
            Assert.Ignore($"{Engine.Name} has no launches whose groups wait for each other, or does without");
    }
}
