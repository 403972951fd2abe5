using Ds2.Runtime.Decoding.LanguageModels;

namespace Ds2.Tests.Decoding.LanguageModels;

public sealed class DistinctCounterTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(100)]
    [TestCase(20_000)]
    [TestCase(150_000)]
    [TestCase(300_000)]
    [TestCase(2_000_000)]
    public void AtMost_IsNotTooFew_AndHardlyTooMany(int distinct)
    {
        var counter = new DistinctCounter();
        for (int i = 0; i < distinct; i++)
        {
            counter.Add(WordHash.Mix((ulong)i + 1));
            if (i % 2 == 0)
                counter.Add(WordHash.Mix((ulong)i + 1));
        }
        Assert.That(counter.AtMost, Is.InRange(distinct, Math.Ceiling(distinct * (1 + 2 * DistinctCounter.Margin))));
        Assert.That(counter.Added, Is.EqualTo(distinct + (distinct + 1) / 2));
    }

    [Test]
    public void AtMost_IsNeverMoreThanWasAdded()
    {
        var counter = new DistinctCounter();
        for (ulong i = 1; i <= 50; i++)
            counter.Add(WordHash.Mix(i));
        Assert.That(counter.AtMost, Is.EqualTo(50));
    }
}
