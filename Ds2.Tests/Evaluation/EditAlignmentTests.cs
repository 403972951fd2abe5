using Ds2.Runtime.Evaluation;

namespace Ds2.Tests.Evaluation;

public sealed class EditAlignmentTests
{
    /// <summary>Whole and cut in two: every item once and in order, and as many errors as the distance says.</summary>
    [TestCase(long.MaxValue)]
    [TestCase(12)]
    [TestCase(1)]
    public void Of_HasTheDistancesErrors(long mostPlaces)
    {
        var random = new Random(8);
        for (int i = 0; i < 500; i++)
        {
            char[] reference = Text(random), hypothesis = Text(random);
            IReadOnlyList<EditStep> steps = EditAlignment.Of<char>(reference, hypothesis, mostPlaces);
            int errors = steps.Count(step => step.Reference < 0 || step.Hypothesis < 0 || reference[step.Reference] != hypothesis[step.Hypothesis]);
            string pair = $"{new string(reference)} {new string(hypothesis)}";
            Assert.That(errors, Is.EqualTo(ErrorRates.Distance<char>(reference, hypothesis)), pair);
            Assert.That(steps.Select(step => step.Reference).Where(place => place >= 0), Is.EqualTo(Enumerable.Range(0, reference.Length)), pair);
            Assert.That(steps.Select(step => step.Hypothesis).Where(place => place >= 0), Is.EqualTo(Enumerable.Range(0, hypothesis.Length)), pair);
        }
    }

    /// <summary>The letters of an hour of speech: a table of them would have 3 GB.</summary>
    [Test]
    public void Of_LongTexts_TakesLittleMemory()
    {
        int[] reference = [.. Enumerable.Range(0, 6000)], hypothesis = [.. Enumerable.Range(3, 6000)];
        long before = GC.GetAllocatedBytesForCurrentThread();
        IReadOnlyList<EditStep> steps = EditAlignment.Of<int>(reference, hypothesis);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(250_000_000), "bytes in all, and at most 17 MB at a time");
        Assert.That((steps.Count, steps[0], steps[3], steps[^1]), Is.EqualTo((6003, new EditStep(0, -1), new EditStep(3, 0), new EditStep(-1, 5999))));
    }

    private static char[] Text(Random random) => [.. Enumerable.Range(0, random.Next(9)).Select(_ => "ABC"[random.Next(3)])];
}
