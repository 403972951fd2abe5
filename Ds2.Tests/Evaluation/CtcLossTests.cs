using Ds2.Kernels.Ops;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Evaluation;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Evaluation;

/// <summary>The loss of known texts, from logits on the host.</summary>
public sealed class CtcLossTests
{
    [Test]
    public void Of_IsTheReferences()
    {
        var random = new Random(4);
        var shape = new CtcShape(T: 12, N: 6, C: 5, L: 6);
        int[] frames = [12, 9, 0, 0, 5, 3];
        int[][] texts = [[3, 3, 1, 2, 1], [], [], [1], [4, 4, 4], [2, 2]]; // the fourth has no frame; the last but one needs five and has them; the last needs three
        float[] logits = [.. Enumerable.Range(0, shape.LogProbabilities.Length).Select(_ => (float)(8 * random.NextDouble() - 4))];
        double[] expected = CtcReference.Losses(shape, LogSoftmaxOf(logits, shape.C), frames, texts);
        double[] losses = CtcLoss.Of(new BatchLogits(logits, shape.T, frames), texts);
        Assert.That(expected.Count(double.IsPositiveInfinity), Is.EqualTo(1));
        Assert.That(losses, Is.EqualTo(expected).Within(1e-9));
    }

    /// <summary>With every class as likely, a text of one label repeated that just fits has one alignment; one that does not has none.</summary>
    [TestCase(3, 2, 3 * 1.0986122886681098)]
    [TestCase(2, 2, double.PositiveInfinity)]
    public void Of_EqualNeighbours_NeedABlankBetween(int frames, int labels, double expected) =>
        Assert.That(CtcLoss.Of(new BatchLogits(new float[3 * frames], frames, [frames]), [[.. Enumerable.Repeat(1, labels)]]).Single(), Is.EqualTo(expected).Within(1e-12));

    /// <summary>Every path through the text is e^-1000 and less beside the blanks': probabilities would have come to nothing.</summary>
    [Test]
    public void Of_AnAbsurdText_IsFinite()
    {
        float[] logits = [.. Enumerable.Repeat(new[] { 1000f, 0f }, 4).SelectMany(row => row)];
        Assert.That(CtcLoss.Of(new BatchLogits(logits, 4, [4]), [[1, 1]]).Single(), Is.EqualTo(2000 - Math.Log(3)).Within(1e-9), "three paths");
    }

    /// <summary>The lattice of an hour's recording has 10^10 places: rows alone are kept.</summary>
    [Test]
    public void Of_ALongRecording_TakesNoMemoryForItsLattice()
    {
        const int frames = 2000, labels = 900;
        int[] text = [.. Enumerable.Range(0, labels).Select(i => 1 + i % 2)];
        var logits = new BatchLogits(new float[3 * frames], frames, [frames]);
        CtcLoss.Of(logits, [text]);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        double loss = CtcLoss.Of(logits, [text]).Single();
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.LessThan(1_000_000), "bytes, of 14 MB in fp32");
        Assert.That(loss, Is.GreaterThan(0).And.LessThan(frames * Math.Log(3)));
    }

    [Test]
    public void Total_LeavesOutAndCountsWhatDoesNotFit()
    {
        var total = new LossTotal();
        Assert.That((total.PerUtterance, total.PerLabel), Is.EqualTo(((double?)null, (double?)null)));
        total.Add(6, 2);
        total.Add(double.PositiveInfinity, 50);
        total.Add(3, 4);
        Assert.That((total.Utterances, total.Infeasible, total.PerUtterance, total.PerLabel), Is.EqualTo((2, 1, (double?)4.5, (double?)1.5)));
    }

    private static double[] LogSoftmaxOf(float[] logits, int classes) => [.. logits.Chunk(classes).SelectMany(row =>
    {
        double sum = Math.Log(row.Sum(value => Math.Exp(value)));
        return row.Select(value => value - sum);
    })];
}
