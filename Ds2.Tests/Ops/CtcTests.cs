using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class CtcTests(string engine) : OpTest(engine)
{
    private Ctc Op => Ctc.On(Engine);

    [Test]
    public void ForwardAndBackward_MatchReference()
    {
        AssertMatches(new CtcShape(T: 5, N: 1, C: 3, L: 2), [5], [[1, 2]]);
        AssertMatches(new CtcShape(T: 6, N: 2, C: 5, L: 3), [6, 4], [[1, 2, 3], [4]]);
        AssertMatches(new CtcShape(T: 12, N: 3, C: 29, L: 5), [12, 9, 10], [[3, 8, 8, 27, 1], [28, 28], [5, 6, 7, 8]]);
        AssertMatches(new CtcShape(T: 7, N: 2, C: 4, L: 6), [7, 5], [[1, 2], [3]]); // L beyond the longest text
        AssertMatches(new CtcShape(T: 9, N: 1, C: 4, L: 2), [5], [[1, 2]]); // T beyond the longest utterance
    }

    [Test]
    public void ForwardAndBackward_OddSizes_MatchReference()
    {
        (int frames, int labels, int batch)[] sizes = IsFast
            ? [(1, 1, 1), (15, 7, 2), (16, 8, 3), (17, 9, 1), (33, 15, 2), (65, 16, 2), (70, 31, 2), (129, 32, 2), (130, 63, 1), (300, 127, 2), (600, 257, 1)]
            : [(1, 1, 1), (17, 7, 2), (33, 15, 1), (40, 17, 2)];
        foreach ((int frames, int labels, int batch) in sizes)
        {
            foreach (int classes in IsFast ? [2, 29, 257] : new[] { 2, 29 })
            {
                int[] lengths = [.. Enumerable.Range(0, batch).Select(n => n == 0 ? frames : Random.Next(1, frames + 1))];
                int[][] texts = [.. Enumerable.Range(0, batch).Select(n => RandomText(n == 0 ? labels : Random.Next(0, labels + 1), classes, blank: 0))];
                AssertMatches(new CtcShape(frames, batch, classes, labels), lengths, texts);
            }
        }
    }

    [Test]
    public void ForwardAndBackward_LongTextOfManyStates_MatchReference()
    {
        // More lattice states than a group has threads.
        if (IsFast)
            AssertMatches(new CtcShape(T: 1300, N: 1, C: 5, L: 600), [1300], [RandomText(600, 5, blank: 0)]);
        else
            AssertMatches(new CtcShape(T: 2, N: 1, C: 3, L: 530), [2], [[1, 2]]);
    }

    [Test]
    public void Forward_OneFrameOneLabel_IsItsLogProbability()
    {
        (float[] losses, float[] gradient) = Run(new CtcShape(T: 1, N: 1, C: 3, L: 1), [MathF.Log(0.2f), MathF.Log(0.5f), MathF.Log(0.3f)], [1], [[2]], 1);
        Compare.Close(losses.ToDouble(), [-Math.Log(0.3)], Tolerances.LogSpace(1), "loss");
        Compare.Close(gradient.ToDouble(), [0.2, 0.5, 0.3 - 1], Tolerances.Occupancy(2, 1), "gradient");
    }

    [Test]
    public void Forward_UniformLogits_CountsAlignments()
    {
        // With every class as likely, the probability of a text is its number of alignments over C^T.
        // L labels without repeats fit T frames in binomial(T + L, 2 L) ways; "aa" in three frames in one.
        (int T, int[] Text, int Alignments)[] cases =
            [(1, [1], 1), (2, [1], 3), (3, [1, 2], 5), (4, [1, 2], 15), (5, [1, 2, 3], 28), (3, [1, 1], 1), (4, [1, 1], 5), (4, [], 1)];
        foreach ((int t, int[] text, int alignments) in cases)
        {
            var shape = new CtcShape(t, N: 1, C: 4, L: Math.Max(1, text.Length));
            double[] logProbabilities = [.. Enumerable.Repeat(-Math.Log(4), t * 4)];
            double expected = t * Math.Log(4) - Math.Log(alignments);
            Assert.That(CtcReference.LossByEnumeration(shape, logProbabilities, 0, t, text), Is.EqualTo(expected).Within(1e-12), $"{t} frames, {text.Length} labels");
            float[] losses = Run(shape, [.. logProbabilities.Select(v => (float)v)], [t], [text], 1).Losses;
            Compare.Close(losses.ToDouble(), [expected], Tolerances.LogSpace(t), $"{t} frames, {text.Length} labels");
        }
    }

    [Test]
    public void ForwardAndBackward_Repeats_MatchReference()
    {
        AssertMatches(new CtcShape(T: 8, N: 3, C: 4, L: 4), [8, 7, 8], [[1, 1, 1, 1], [2, 2, 2, 3], [1, 2, 2, 1]]);
    }

    [Test]
    public void ForwardAndBackward_EmptyText_IsAllBlanks()
    {
        var shape = new CtcShape(T: 4, N: 2, C: 3, L: 2);
        AssertMatches(shape, [4, 4], [[], [1, 2]]);
        AssertMatches(new CtcShape(T: 3, N: 2, C: 3, L: 0), [3, 2], [[], []]);

        float[] y = RandomLogProbabilities(shape);
        float[] losses = Run(shape, y, [4, 4], [[], [1, 2]], 1).Losses;
        double blanks = Enumerable.Range(0, 4).Sum(t => (double)y[t * 2 * 3]);
        Compare.Close([losses[0]], [-blanks], Tolerances.LogSpace(4), "all blanks");
    }

    [Test]
    public void Forward_NoFrames_IsZeroForAnEmptyTextOnly()
    {
        var shape = new CtcShape(T: 3, N: 3, C: 3, L: 1);
        (float[] losses, float[] gradient) = Run(shape, RandomLogProbabilities(shape), [0, 0, 3], [[], [1], [2]], 1);
        Assert.That(losses[..2], Is.EqualTo(new[] { 0, float.PositiveInfinity }));
        AssertMatches(shape, [0, 0, 3], [[], [1], [2]]);
        Assert.That(gradient, Has.All.Matches<float>(float.IsFinite));
        (losses, _) = Run(new CtcShape(T: 0, N: 2, C: 3, L: 1), [], [0, 0], [[], [1]], 1);
        Assert.That(losses, Is.EqualTo(new[] { 0, float.PositiveInfinity }));
    }

    [Test]
    public void ForwardAndBackward_JustEnoughFrames_HaveOneAlignment()
    {
        // Four labels and two repeats need six frames: 1 2 _ 2 _ 2.
        var shape = new CtcShape(T: 6, N: 1, C: 3, L: 4);
        float[] y = RandomLogProbabilities(shape);
        double only = new[] { 1, 2, 0, 2, 0, 2 }.Select((label, t) => -(double)y[t * 3 + label]).Sum();
        Compare.Close(Run(shape, y, [6], [[1, 2, 2, 2]], 1).Losses.ToDouble(), [only], Tolerances.LogSpace(6), "loss");
        AssertMatches(shape, [6], [[1, 2, 2, 2]]);
    }

    [Test]
    public void Forward_OneFrameShort_IsInfiniteWithZeroGradient()
    {
        var shape = new CtcShape(T: 6, N: 2, C: 3, L: 4);
        (float[] losses, float[] gradient) = Run(shape, RandomLogProbabilities(shape), [5, 3], [[1, 2, 2, 2], [1, 2, 1, 2]], 0.5f);
        Assert.That(losses, Is.All.EqualTo(float.PositiveInfinity));
        Assert.That(gradient, Is.All.Zero);
    }

    [Test]
    public void ForwardAndBackward_InfeasibleBesideFeasible_LeavesItAlone()
    {
        var shape = new CtcShape(T: 6, N: 3, C: 4, L: 5);
        int[] frames = [6, 4, 6];
        int[][] texts = [[1, 2], [1, 2, 3, 1, 2], [3]];
        AssertMatches(shape, frames, texts);
        float[] losses = Run(shape, RandomLogProbabilities(shape), frames, texts, 1).Losses;
        Assert.That(losses.Select(float.IsFinite), Is.EqualTo(new[] { true, false, true }));
    }

    [Test]
    public void ForwardAndBackward_OfABatch_EqualSingles()
    {
        var shape = new CtcShape(T: 9, N: 3, C: 6, L: 4);
        int[] frames = [9, 5, 7];
        int[][] texts = [[1, 2, 3, 4], [5, 5], []];
        float[] y = RandomLogProbabilities(shape);
        (float[] losses, float[] gradient) = Run(shape, y, frames, texts, 0.25f);
        for (int n = 0; n < shape.N; n++)
        {
            float[] Own(float[] of) => [.. Enumerable.Range(0, frames[n]).SelectMany(t => of[((t * 3 + n) * 6)..((t * 3 + n + 1) * 6)])];
            var single = new CtcShape(frames[n], N: 1, C: 6, L: texts[n].Length);
            (float[] loss, float[] ownGradient) = Run(single, Own(y), [frames[n]], [texts[n]], 0.25f);
            Compare.Close([losses[n]], loss.ToDouble(), Tolerances.LogSpace(9), $"loss of utterance {n}");
            Compare.Close(Own(gradient).ToDouble(), ownGradient.ToDouble(), Tolerances.Occupancy(loss[0], 9), $"gradient of utterance {n}");
        }
    }

    [TestCase(1)]
    [TestCase(3)]
    public void ForwardAndBackward_OtherBlank_MatchReference(int blank)
    {
        int[][] texts = blank == 1 ? [[0, 2, 2], [3]] : [[0, 1, 1], [2]];
        AssertMatches(new CtcShape(T: 7, N: 2, C: 4, L: 3, blank), [7, 4], texts);
    }

    [TestCase(30)]
    [TestCase(1000)]
    [TestCase(20000)]
    public void ForwardAndBackward_ExtremeLogits_MatchReference(double size)
    {
        // Log-probabilities down to -2 size: their exponentials underflow, their sums must not.
        var shape = new CtcShape(T: 8, N: 2, C: 5, L: 3);
        float[] logits = [.. Normal(shape.LogProbabilities.Length).Select(v => (float)(size * Math.Sign(v)))];
        AssertMatches(shape, [8, 6], [[1, 2, 2], [4, 3]], LogProbabilities(shape, logits));
    }

    [Test]
    public void ForwardAndBackward_ImpossibleClasses_AreSkippedOrInfinite()
    {
        var shape = new CtcShape(T: 3, N: 2, C: 3, L: 1);
        float no = float.NegativeInfinity, half = -MathF.Log(2);
        float[] frame = [half, half, no];
        float[] y = [.. Enumerable.Repeat(frame, 6).SelectMany(f => f)];
        AssertMatches(shape, [3, 3], [[1], [2]], y); // utterance 1 needs the impossible class: its loss is infinite, its gradient zero
        AssertMatches(shape, [3, 3], [[1], []], y);
    }

    [Test]
    public void Forward_LabelsAfterTheText_AreIgnored()
    {
        var shape = new CtcShape(T: 4, N: 2, C: 3, L: 3);
        float[] y = RandomLogProbabilities(shape);
        (float[] losses, float[] gradient) = Run(shape, y, [4, 4], [[1], [2, 1]], 1, filler: 0);
        (float[] otherLosses, float[] otherGradient) = Run(shape, y, [4, 4], [[1], [2, 1]], 1, filler: 2);
        Compare.BitEqual(otherLosses, losses);
        Compare.BitEqual(otherGradient, gradient);
    }

    [Test]
    public void ForwardAndBackward_GarbageInPaddedFrames_ChangesNothing()
    {
        var shape = new CtcShape(T: 6, N: 2, C: 3, L: 2);
        float[] y = RandomLogProbabilities(shape), dirty = [.. y];
        for (int i = (4 * 2 + 1) * 3; i < y.Length; i++)
            if (i / 3 % 2 == 1)
                dirty[i] = float.NaN;
        (float[] losses, float[] gradient) = Run(shape, y, [6, 4], [[1, 2], [2, 2]], 1);
        (float[] dirtyLosses, float[] dirtyGradient) = Run(shape, dirty, [6, 4], [[1, 2], [2, 2]], 1);
        Compare.BitEqual(dirtyLosses, losses);
        Compare.BitEqual(dirtyGradient, gradient);
    }

    [Test]
    public void Backward_MatchesFiniteDifferences()
    {
        var shape = new CtcShape(T: 5, N: 2, C: 4, L: 2);
        int[] frames = [5, 4];
        int[][] texts = [[1, 2], [3, 3]];
        float[] logits = Normal(shape.LogProbabilities.Length);
        float[] gradient = Run(shape, LogProbabilities(shape, logits), frames, texts, 1).Gradient;
        Differences.AssertDirection(
            moved => Run(shape, LogProbabilities(shape, moved), frames, texts, 1).Losses.Sum(v => (double)v), logits, Normal(logits.Length), gradient, "logits");
    }

    [Test]
    public void Forward_RepeatedRuns_AreBitEqual()
    {
        CtcShape shape = IsFast ? new(T: 200, N: 4, C: 29, L: 60) : new(T: 12, N: 2, C: 29, L: 4);
        int[] frames = [.. Enumerable.Repeat(shape.T, shape.N)];
        int[][] texts = [.. frames.Select(_ => RandomText(shape.L, shape.C, blank: 0))];
        float[] y = RandomLogProbabilities(shape);
        (float[] losses, float[] gradient) = Run(shape, y, frames, texts, 1);
        (float[] lossesAgain, float[] gradientAgain) = Run(shape, y, frames, texts, 1);
        Compare.BitEqual(lossesAgain, losses);
        Compare.BitEqual(gradientAgain, gradient);
    }

    [Test]
    public void ForwardAndBackward_WrongArguments_AreRefused()
    {
        var shape = new CtcShape(T: 4, N: 2, C: 3, L: 2);
        Tensor y = Input(shape.LogProbabilities), losses = Output(new Shape(2)), alpha = Output(shape.Alpha), dLogits = Output(shape.LogProbabilities);
        IntTensor frames = IntInput(new Shape(2), [4, 4], "frames"), counts = IntInput(new Shape(2), [1, 1], "counts");
        IntTensor labels = IntInput(shape.Labels, [1, 1, 1, 1], "labels");
        Workspace scratch = Scratch(Op.BackwardWorkspace(shape));
        AssertRefused(() => Op.Forward(shape, y, frames, labels, counts, losses, y), "alpha is [4, 2, 3]", "expected [2, 4, 5]");
        AssertRefused(() => Op.Forward(shape, y, frames, frames, counts, losses, alpha), "labels is [2]", "expected [2, 2]");
        AssertRefused(() => Op.Forward(shape with { Blank = 3 }, y, frames, labels, counts, losses, alpha), "blank");
        AssertRefused(() => Op.Forward(shape, y, frames, labels, counts, y.Slice(0, new Shape(2)), alpha), "losses [2] overlaps logProbabilities [4, 2, 3]");
        AssertRefused(
            () => Op.Backward(shape, y, frames, labels, counts, losses, alpha, 1, y, scratch), "dLogits [4, 2, 3] overlaps logProbabilities [4, 2, 3]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape.LogProbabilities);
        AssertRefused(() => Op.Forward(shape, elsewhere, frames, labels, counts, losses, alpha), "logProbabilities [4, 2, 3]", Engine.Name);
        if (Op.BackwardWorkspace(shape) > 0)
            AssertRefused(() => Op.Backward(shape, y, frames, labels, counts, losses, alpha, 1, dLogits, Scratch(0)), "workspace");
    }

    private void AssertMatches(CtcShape shape, int[] frames, int[][] texts, float[]? logProbabilities = null)
    {
        const float scale = 0.125f;
        float[] y = logProbabilities ?? RandomLogProbabilities(shape);
        (float[] losses, float[] gradient) = Run(shape, y, frames, texts, scale);
        double[] expected = CtcReference.Losses(shape, y.ToDouble(), frames, texts);
        double largest = expected.Where(double.IsFinite).DefaultIfEmpty().Max();
        Compare.Close(losses.ToDouble(), expected, Tolerances.LogSpace(shape.T), $"losses {shape}");
        Compare.Close(
            gradient.ToDouble(), CtcReference.Gradient(shape, y.ToDouble(), frames, texts, scale), Tolerances.Occupancy(largest, shape.T), $"dLogits {shape}",
            shape.LogProbabilities);
    }

    private (float[] Losses, float[] Gradient) Run(CtcShape shape, float[] logProbabilities, int[] frames, int[][] texts, float scale, int filler = -1)
    {
        // What follows a text's end is no class at all: reading there shows.
        var labels = new int[shape.Labels.Length];
        Array.Fill(labels, filler);
        for (int n = 0; n < shape.N; n++)
            texts[n].CopyTo(labels, n * shape.Labels[1]);
        Tensor y = Input(shape.LogProbabilities, logProbabilities), losses = Output(new Shape(shape.N), "losses");
        Tensor alpha = Output(shape.Alpha, "alpha"), dLogits = Output(shape.LogProbabilities, "dLogits");
        IntTensor frameTensor = IntInput(new Shape(shape.N), frames), labelTensor = IntInput(shape.Labels, labels);
        IntTensor counts = IntInput(new Shape(shape.N), Array.ConvertAll(texts, t => t.Length), "counts");
        Op.Forward(shape, y, frameTensor, labelTensor, counts, losses, alpha);
        Op.Backward(shape, y, frameTensor, labelTensor, counts, losses, alpha, scale, dLogits, Scratch(Op.BackwardWorkspace(shape)));
        (float[], float[]) result = (losses.ToArray(), dLogits.ToArray());
        NextCase();
        return result;
    }

    private float[] RandomLogProbabilities(CtcShape shape) => LogProbabilities(shape, Normal(shape.LogProbabilities.Length, 2));

    private static float[] LogProbabilities(CtcShape shape, float[] logits) =>
        Array.ConvertAll(LogSoftmaxReference.Forward(logits.ToDouble(), shape.C), v => (float)v);

    private int[] RandomText(int length, int classes, int blank) =>
        [.. Enumerable.Range(0, length).Select(_ => (blank + 1 + Random.Next(classes - 1)) % classes)];
}

public sealed class CtcReferenceTests
{
    private static readonly CtcShape Shape = new(T: 5, N: 4, C: 4, L: 3);
    private static readonly int[] Frames = [5, 4, 3, 2];
    private static readonly int[][] Texts = [[1, 2, 3], [2, 2], [], [1, 2, 3]];

    [Test]
    public void Losses_MatchEnumerationOfAllPaths()
    {
        double[] y = LogSoftmaxReference.Forward(Arrays.Normal(Shape.LogProbabilities.Length, seed: 1, deviation: 2), Shape.C);
        double[] expected = [.. Enumerable.Range(0, Shape.N).Select(n => CtcReference.LossByEnumeration(Shape, y, n, Frames[n], Texts[n]))];
        Assert.That(expected[3], Is.EqualTo(double.PositiveInfinity));
        Compare.Close(CtcReference.Losses(Shape, y, Frames, Texts), expected, Tolerances.Differences, "losses");
    }

    [Test]
    public void Gradient_MatchesFiniteDifferences()
    {
        double[] logits = Arrays.Normal(Shape.LogProbabilities.Length, seed: 1);
        double Loss() => CtcReference.Losses(Shape, LogSoftmaxReference.Forward(logits, Shape.C), Frames, Texts).Where(double.IsFinite).Sum();
        double[] gradient = CtcReference.Gradient(Shape, LogSoftmaxReference.Forward(logits, Shape.C), Frames, Texts, scale: 1);
        Differences.AssertGradient(Loss, logits, gradient, "logits");
    }
}
