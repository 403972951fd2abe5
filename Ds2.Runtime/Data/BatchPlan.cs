namespace Ds2.Runtime.Data;

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

/// <summary>Which utterances make up each batch of an epoch.</summary>
public static class BatchPlan
{
    /// <summary>Plans an epoch.</summary>
    /// <remarks>A batch is a run of neighbours in the length-sorted corpus, so that little of it is padding; shuffling moves whole batches.
    /// The order depends on the arguments alone: SplitMix64, seeded from seed and epoch, drives a Fisher-Yates shuffle.</remarks>
    /// <param name="corpus">The utterances.</param>
    /// <param name="batchSize">Utterances in a batch; the batch of the longest ones may have fewer.</param>
    /// <param name="order">The order of the batches.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="epoch">Counts from 0.</param>
    /// <returns>For each batch, indices into the corpus's utterances.</returns>
    public static IReadOnlyList<int[]> Create(Corpus corpus, int batchSize, BatchOrder order, int seed, int epoch)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        return Create(corpus.Utterances.Count, batchSize, order, seed, epoch);
    }

    internal static int[][] Create(int utterances, int batchSize, BatchOrder order, int seed, int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        int[][] batches = [.. Enumerable.Range(0, utterances).Chunk(batchSize)];
        if (order == BatchOrder.Shuffled || order == BatchOrder.Sortagrad && epoch > 0)
            new SplitMix64((ulong)(uint)seed << 32 | (uint)epoch).Shuffle(batches.AsSpan());
        return batches;
    }
}
