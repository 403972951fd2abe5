using Ds2.Runtime.Data;

namespace Ds2.Tests.Data;

public sealed class BatchPlanTests
{
    [Test]
    public void SplitMix64_MatchesItsReference()
    {
        // The first numbers of seed 0, as published with the reference code.
        var random = new SplitMix64(0);
        Assert.That(new[] { random.Next(), random.Next(), random.Next() }, Is.EqualTo(new ulong[] { 0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F }));
    }

    [Test]
    public void Create_Sorted_IsAscendingEveryEpoch()
    {
        foreach (int epoch in new[] { 0, 1, 9 })
            Assert.That(BatchPlan.Create(7, 3, BatchOrder.Sorted, 5, epoch), Is.EqualTo(new int[][] { [0, 1, 2], [3, 4, 5], [6] }));
    }

    [Test]
    public void Create_Sortagrad_IsSortedOnce()
    {
        Assert.That(BatchPlan.Create(100, 3, BatchOrder.Sortagrad, 5, 0), Is.EqualTo(BatchPlan.Create(100, 3, BatchOrder.Sorted, 5, 0)));
        Assert.That(BatchPlan.Create(100, 3, BatchOrder.Sortagrad, 5, 1), Is.EqualTo(BatchPlan.Create(100, 3, BatchOrder.Shuffled, 5, 1)));
    }

    [Test]
    public void Create_Shuffled_MovesWholeBatches_AndDependsOnSeedAndEpochAlone()
    {
        int[][] plan = BatchPlan.Create(100, 8, BatchOrder.Shuffled, 5, 2), sorted = BatchPlan.Create(100, 8, BatchOrder.Sorted, 5, 2);
        Assert.That(plan, Is.EquivalentTo(sorted));
        Assert.That(plan, Is.Not.EqualTo(sorted));
        Assert.That(BatchPlan.Create(100, 8, BatchOrder.Shuffled, 5, 2), Is.EqualTo(plan));
        Assert.That(BatchPlan.Create(100, 8, BatchOrder.Shuffled, 6, 2), Is.Not.EqualTo(plan));
        Assert.That(BatchPlan.Create(100, 8, BatchOrder.Shuffled, 5, 3), Is.Not.EqualTo(plan));
        Assert.That(() => BatchPlan.Create(100, 8, BatchOrder.Shuffled, -5, 3), Throws.Nothing);
    }

    [Test]
    public void Shuffle_EveryOrderIsAboutEquallyLikely()
    {
        var random = new SplitMix64(1);
        var counts = new Dictionary<string, int>();
        for (int i = 0; i < 6000; i++)
        {
            char[] items = ['a', 'b', 'c'];
            random.Shuffle(items.AsSpan());
            string order = new(items);
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }
        // Six orders, 1000 each; five standard deviations are 145.
        Assert.That(counts, Has.Count.EqualTo(6));
        Assert.That(counts.Values, Has.All.InRange(855, 1145));
    }

    [Test]
    public void Create_NothingToDo() => Assert.That(BatchPlan.Create(0, 8, BatchOrder.Shuffled, 1, 0), Is.Empty);
}
