using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;

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
            Assert.That(Plan(7, 3, BatchOrder.Sorted, 5, epoch), Is.EqualTo(new BatchSpan[] { new(0, 3), new(3, 3), new(6, 1) }));
    }

    [Test]
    public void Create_Sortagrad_IsSortedOnce()
    {
        Assert.That(Plan(100, 3, BatchOrder.Sortagrad, 5, 0), Is.EqualTo(Plan(100, 3, BatchOrder.Sorted, 5, 0)));
        Assert.That(Plan(100, 3, BatchOrder.Sortagrad, 5, 1), Is.EqualTo(Plan(100, 3, BatchOrder.Shuffled, 5, 1)));
    }

    [Test]
    public void Create_Shuffled_MovesWholeBatches_AndDependsOnSeedAndEpochAlone()
    {
        BatchSpan[] plan = Plan(100, 8, BatchOrder.Shuffled, 5, 2), sorted = Plan(100, 8, BatchOrder.Sorted, 5, 2);
        Assert.That(plan, Is.EquivalentTo(sorted));
        Assert.That(plan, Is.Not.EqualTo(sorted));
        Assert.That(Plan(100, 8, BatchOrder.Shuffled, 5, 2), Is.EqualTo(plan));
        Assert.That(Plan(100, 8, BatchOrder.Shuffled, 6, 2), Is.Not.EqualTo(plan));
        Assert.That(Plan(100, 8, BatchOrder.Shuffled, 5, 3), Is.Not.EqualTo(plan));
        Assert.That(() => Plan(100, 8, BatchOrder.Shuffled, -5, 3), Throws.Nothing);
    }

    /// <summary>Each epoch has every utterance once, in other company, and among utterances of nearly its own length.</summary>
    [Test]
    public void Create_Bucketed_DrawsTheBatchesAnew()
    {
        BatchSpan[] batches = BatchPlan.ByCount(1000, 4);
        EpochPlan first = BatchPlan.ForEpoch(batches, BatchOrder.Bucketed, 5, 0), second = BatchPlan.ForEpoch(batches, BatchOrder.Bucketed, 5, 1), third = BatchPlan.ForEpoch(batches, BatchOrder.Bucketed, 5, 2);
        Assert.Multiple(() =>
        {
            Assert.That(first.Utterances, Is.Ordered);
            Assert.That(first.Batches, Is.EqualTo(batches));
            Assert.That(BatchPlan.ForEpoch(batches, BatchOrder.Bucketed, 5, 1), Has.Property("Utterances").EqualTo(second.Utterances).And.Property("Batches").EqualTo(second.Batches));
            Assert.That(BatchPlan.ForEpoch(batches, BatchOrder.Bucketed, 6, 1).Utterances, Is.Not.EqualTo(second.Utterances));
            Assert.That(second.Utterances, Is.Unique.And.Length.EqualTo(1000));
            Assert.That(second.Utterances.Select((utterance, i) => Math.Abs(utterance - i)), Is.All.LessThanOrEqualTo(BatchPlan.Reach(batches)));
            Assert.That(BatchPlan.Reach(batches), Is.EqualTo(64));
            Assert.That(second.Batches, Is.EquivalentTo(batches).And.Not.EqualTo(batches));
            // Of the pairs that share a batch in one epoch hardly any do so in the next.
            Assert.That(PairsOf(second).Intersect(PairsOf(third)).Count(), Is.LessThan(PairsOf(second).Count / 10));
        });

        static HashSet<(int, int)> PairsOf(EpochPlan plan) =>
            [.. Enumerable.Range(0, plan.Batches.Length).SelectMany(batch => plan.MembersOf(batch).ToArray() is var members ? members.SelectMany(a => members.Where(b => a < b).Select(b => (a, b))) : [])];
    }

    /// <summary>Whatever the order, a step has the utterances that one large batch would have, its batches in ascending length.</summary>
    [Test]
    public void ForEpoch_StepsOfSeveralBatches_HaveTheUtterancesOfLargeBatches([Values] BatchOrder order, [Range(0, 2)] int epoch)
    {
        EpochPlan several = BatchPlan.ForEpoch(BatchPlan.ByCount(403, 4), order, 5, epoch, accumulate: 3), large = BatchPlan.ForEpoch(BatchPlan.ByCount(403, 12), order, 5, epoch);
        Assert.Multiple(() =>
        {
            Assert.That(several.Utterances, Is.EqualTo(large.Utterances));
            Assert.That(several.Steps.Select(step => new BatchSpan(step[0].First, step.Sum(batch => batch.Count))), Is.EqualTo(large.Batches));
            Assert.That(several.Steps.All(step => step.Zip(step.Skip(1)).All(pair => pair.Second.First == pair.First.First + pair.First.Count)), "neighbours");
            Assert.That(Enumerable.Range(0, several.Batches.Length).SelectMany(batch => several.MembersOf(batch).ToArray()), Is.EquivalentTo(Enumerable.Range(0, 403)), "each once");
            Assert.That(several.Batches, Has.Length.EqualTo(101));
            Assert.That(several.Steps, Has.Length.EqualTo(34).And.One.Length.EqualTo(2), "the longest ones' has what is left");
        });
    }

    [Test]
    public void ForEpoch_PartsSayWhatABatchIsToItsStep()
    {
        EpochPlan plan = BatchPlan.ForEpoch(BatchPlan.ByCount(7, 2), BatchOrder.Sorted, 5, 0, accumulate: 3);
        Assert.That(plan.Parts, Is.EqualTo(new StepPart[] { new(0, 3, 6), new(1, 3, 6), new(2, 3, 6), new(0, 1, 1) }));
        Assert.That(plan.Parts.Select(part => (part.IsFirst, part.IsLast)), Is.EqualTo(new[] { (true, false), (false, false), (false, true), (true, true) }));
        Assert.That(new[] { plan.FirstOf(0), plan.FirstOf(1), plan.FirstOf(2) }, Is.EqualTo(new[] { 0, 3, 4 }));
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
    public void ByFrames_FillsTheBudgetWithPaddedUtterances()
    {
        int[] frames = [10, 10, 12, 20, 30, 30, 31, 100, 130];
        BatchSpan[] plan = BatchPlan.ByFrames(frames, 60);
        Assert.That(plan, Is.EqualTo(new BatchSpan[] { new(0, 3), new(3, 2), new(5, 1), new(6, 1), new(7, 1), new(8, 1) }), "3 x 12 fits, 4 x 20 does not; what is too long goes alone");
        Assert.That(BatchPlan.ByFrames(frames, 1), Has.Length.EqualTo(frames.Length));
        Assert.That(BatchPlan.ByFrames(frames, int.MaxValue), Has.Length.EqualTo(1));
        Assert.That(BatchPlan.ByFrames([], 60), Is.Empty);
    }

    [Test]
    public void Largest_CoversEveryBatch_AndNothingElse()
    {
        BatchSize[] sizes = [new(8, 10, 5), new(8, 12, 3), new(8, 9, 4), new(4, 24, 3), new(4, 11, 3), new(1, 90, 9), new(1, 24, 3)];
        Assert.That(BatchSize.Largest(sizes), Is.EqualTo(new BatchSize[] { new(8, 12, 3), new(4, 24, 3), new(1, 90, 9), new(8, 10, 5) }));
    }

    [Test]
    public void Create_NothingToDo() => Assert.That(Plan(0, 8, BatchOrder.Shuffled, 1, 0), Is.Empty);

    private static BatchSpan[] Plan(int utterances, int batchSize, BatchOrder order, int seed, int epoch) =>
        BatchPlan.ForEpoch(BatchPlan.ByCount(utterances, batchSize), order, seed, epoch).Batches;
}
