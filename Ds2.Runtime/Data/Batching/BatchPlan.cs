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

/// <summary>The utterances of a batch: neighbours in the length-sorted corpus.</summary>
/// <param name="First">The shortest.</param>
/// <param name="Count">How many.</param>
internal readonly record struct BatchSpan(int First, int Count)
{
    /// <summary>The longest.</summary>
    public int Last => First + Count - 1;

    /// <summary>All of them.</summary>
    public IEnumerable<int> Utterances => Enumerable.Range(First, Count);
}

/// <summary>Which utterances make up each batch of an epoch.</summary>
/// <remarks>A batch is a run of neighbours in the length-sorted corpus, so that little of it is padding; shuffling moves whole batches.</remarks>
internal static class BatchPlan
{
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

    /// <summary>The batches in the order of an epoch.</summary>
    /// <remarks>It depends on the arguments alone: SplitMix64, seeded from seed and epoch, drives a Fisher-Yates shuffle.</remarks>
    /// <param name="batches">The batches in ascending length; not changed.</param>
    /// <param name="order">The order.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="epoch">Counts from 0.</param>
    public static BatchSpan[] InOrder(BatchSpan[] batches, BatchOrder order, int seed, int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        BatchSpan[] ordered = [.. batches];
        if (order == BatchOrder.Shuffled || order == BatchOrder.Sortagrad && epoch > 0)
            new SplitMix64((ulong)(uint)seed << 32 | (uint)epoch).Shuffle(ordered.AsSpan());
        return ordered;
    }
}
