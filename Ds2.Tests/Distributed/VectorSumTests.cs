using Ds2.Bench.Distributed;

namespace Ds2.Tests.Distributed;

public sealed class VectorSumTests
{
    [TestCase(1, 5)]
    [TestCase(2, 2049)]
    [TestCase(3, 1)]
    [TestCase(5, 6007)]
    public void Of_AddsFromTheFirstToTheLast(int stretches, int length)
    {
        var random = new Random(1);
        float[] numbers = [.. Enumerable.Range(0, stretches * length).Select(_ => random.NextSingle() - 0.5f)], sums = new float[length];
        VectorSum.Of(numbers, sums);
        Assert.That(sums, Is.EqualTo(Enumerable.Range(0, length).Select(i => Enumerable.Range(1, stretches - 1).Aggregate(numbers[i], (sum, s) => sum + numbers[s * length + i]))));
    }
}
