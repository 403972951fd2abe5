namespace Ds2.Runtime.Data.Batching;

/// <summary>In which order an epoch goes through the batches.</summary>
public enum BatchOrder
{
    /// <summary>Ascending length, every epoch.</summary>
    Sorted,

    /// <summary>Ascending length in epoch 0, then shuffled (Amodei et al., Deep Speech 2, section 3.2).</summary>
    Sortagrad,

    /// <summary>A random order, another one each epoch.</summary>
    Shuffled,

    /// <summary>Ascending length in epoch 0, then batches that are drawn anew each epoch from utterances of like length, in random order.</summary>
    Bucketed,
}

/// <summary>The size of a batch: what its memory depends on.</summary>
/// <param name="Utterances">Utterances.</param>
/// <param name="Frames">Feature frames of the longest.</param>
/// <param name="Labels">Labels of the longest text.</param>
public readonly record struct BatchSize(int Utterances, int Frames, int Labels)
{
    /// <summary>The sizes that no other one covers: whoever has memory for these has it for all.</summary>
    internal static IReadOnlyList<BatchSize> Largest(IEnumerable<BatchSize> sizes)
    {
        var largest = new List<BatchSize>();
        foreach (BatchSize size in sizes.OrderByDescending(size => size.Utterances).ThenByDescending(size => size.Frames).ThenByDescending(size => size.Labels))
        {
            if (!largest.Exists(other => other.Frames >= size.Frames && other.Labels >= size.Labels))
                largest.Add(size);
        }

        return [.. largest.OrderByDescending(size => (long)size.Utterances * size.Frames)];
    }
}

/// <summary>A batch's place among the utterances of an epoch.</summary>
/// <param name="First">Its first utterance.</param>
/// <param name="Count">How many.</param>
internal readonly record struct BatchSpan(int First, int Count)
{
    /// <summary>Its last utterance.</summary>
    public int Last => First + Count - 1;
}

/// <summary>The batches of an epoch, in order.</summary>
/// <param name="Utterances">The corpus's utterances, by their places there, in the order from which batches are taken.</param>
/// <param name="Batches">Each batch's place among those.</param>
internal sealed record EpochPlan(int[] Utterances, BatchSpan[] Batches)
{
    /// <summary>The utterances of a batch, by their places in the corpus.</summary>
    /// <param name="batch">Its place in the epoch.</param>
    public ReadOnlySpan<int> MembersOf(int batch) => Utterances.AsSpan(Batches[batch].First, Batches[batch].Count);
}

/// <summary>Which utterances make up each batch of an epoch.</summary>
/// <remarks>A batch is a run of neighbours in the length-sorted corpus, so that little of it is padding; shuffling moves whole batches. Where they are
/// drawn anew, utterances change places over a few batches first; how many there are of each batch stays.</remarks>
internal static class BatchPlan
{
    /// <summary>Mean batches' worth of utterances over which each epoch's are drawn: enough for new company, and few enough for like lengths.</summary>
    private const int Bucket = 16;

    /// <summary>Batches of equally many utterances; that of the longest ones may have fewer.</summary>
    /// <param name="utterances">Utterances of the corpus.</param>
    /// <param name="batchSize">Utterances in a batch.</param>
    /// <returns>For each batch, its place among the corpus's utterances.</returns>
    public static BatchSpan[] ByCount(int utterances, int batchSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        var batches = new BatchSpan[utterances / batchSize + (utterances % batchSize > 0 ? 1 : 0)];
        for (int i = 0; i < batches.Length; i++)
            batches[i] = new BatchSpan(i * batchSize, Math.Min(batchSize, utterances - i * batchSize));
        return batches;
    }

    /// <summary>Batches of as many utterances as a budget of frames holds, padding included; at least one.</summary>
    /// <param name="frames">The utterances' frames, ascending.</param>
    /// <param name="budget">Utterances times frames of the longest.</param>
    /// <returns>For each batch, its place among the corpus's utterances.</returns>
    public static BatchSpan[] ByFrames(IReadOnlyList<int> frames, int budget)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(budget);
        var batches = new List<BatchSpan>();
        for (int first = 0, count; first < frames.Count; first += count)
        {
            count = 1;
            while (first + count < frames.Count && (count + 1L) * frames[first + count] <= budget)
                count++;
            batches.Add(new BatchSpan(first, count));
        }

        return [.. batches];
    }

    /// <summary>Places over which an utterance moves at most where batches are drawn anew.</summary>
    /// <param name="batches">The batches in ascending length.</param>
    public static int Reach(BatchSpan[] batches) => batches.Length == 0 ? 0 : (int)Math.Ceiling(Bucket * (batches[^1].Last + 1.0) / batches.Length);

    /// <summary>The batches of an epoch.</summary>
    /// <remarks>They depend on the arguments alone: SplitMix64, seeded from seed and epoch, drives all that is random.</remarks>
    /// <param name="batches">The batches in ascending length; not changed.</param>
    /// <param name="order">The order.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="epoch">Counts from 0.</param>
    public static EpochPlan ForEpoch(BatchSpan[] batches, BatchOrder order, int seed, int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        var plan = new EpochPlan([.. Enumerable.Range(0, batches.Length == 0 ? 0 : batches[^1].Last + 1)], [.. batches]);
        var random = new SplitMix64((ulong)(uint)seed << 32 | (uint)epoch);
        if (order == BatchOrder.Shuffled || order is BatchOrder.Sortagrad or BatchOrder.Bucketed && epoch > 0)
            random.Shuffle(plan.Batches.AsSpan());
        if (order == BatchOrder.Bucketed && epoch > 0)
            Disorder(plan.Utterances, Reach(batches), ref random);
        return plan;
    }

    /// <summary>Moves each utterance by a random distance within a reach. There are no fixed buckets: no edge keeps two neighbours apart in every epoch.</summary>
    private static void Disorder(int[] utterances, int reach, ref SplitMix64 random)
    {
        var places = new double[utterances.Length];
        for (int i = 0; i < places.Length; i++)
            places[i] = i + random.Next(0.0, reach);
        Array.Sort(places, utterances);
    }
}
