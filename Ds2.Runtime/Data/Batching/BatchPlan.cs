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

/// <summary>What a batch is to its step.</summary>
/// <param name="Place">Its place among the step's batches, from 0.</param>
/// <param name="Of">Batches of the step.</param>
/// <param name="Utterances">Utterances of the whole step: what its gradient is the mean over.</param>
/// <param name="First">The first of the places that this rank has of the step.</param>
/// <param name="End">The place after the last of them; equal to <paramref name="First"/> where a short step leaves the rank none, which then gets one batch without utterances.</param>
public readonly record struct StepPart(int Place, int Of, int Utterances, int First, int End)
{
    /// <summary>A part of a step that one rank has alone.</summary>
    public StepPart(int place, int of, int utterances)
        : this(place, of, utterances, 0, of)
    {
    }

    /// <summary>Whether the step begins with it, on this rank.</summary>
    public bool IsFirst => Place == First;

    /// <summary>Whether the step ends with it, on this rank.</summary>
    public bool IsLast => Place >= End - 1;
}

/// <summary>Which of a job's ranks this one is: each has its own share of every step's batches.</summary>
/// <param name="Rank">From 0.</param>
/// <param name="Ranks">How many there are.</param>
public readonly record struct Lane(int Rank, int Ranks)
{
    /// <summary>A rank on its own has all batches.</summary>
    public static readonly Lane Alone = new(0, 1);

    /// <summary>The places of a step's batches that the rank has: neighbours, so that their gradients are branches of one sum.</summary>
    /// <param name="accumulate">Batches of a whole step.</param>
    /// <param name="batches">Batches of this one: an epoch's last step may have fewer.</param>
    public (int First, int End) PlacesOf(int accumulate, int batches)
    {
        int each = accumulate / Ranks, first = Math.Min(Rank * each, batches);
        return (first, Math.Min(first + each, batches));
    }
}

/// <summary>The steps of an epoch, in order.</summary>
/// <param name="Utterances">The corpus's utterances, by their places there, in the order from which batches are taken.</param>
/// <param name="Steps">Each step's batches, by their places among those.</param>
internal sealed record EpochPlan(int[] Utterances, BatchSpan[][] Steps)
{
    /// <summary>All batches, in order.</summary>
    public BatchSpan[] Batches { get; } = [.. Steps.SelectMany(step => step)];

    /// <summary>What each batch is to its step.</summary>
    public StepPart[] Parts { get; } = [.. Steps.SelectMany(PartsOf)];

    /// <summary>The batch with which a step begins; after the last step, the number of batches.</summary>
    public int FirstOf(int step) => Steps.Take(step).Sum(batches => batches.Length);

    /// <summary>The utterances of a batch, by their places in the corpus.</summary>
    /// <param name="batch">Its place in the epoch.</param>
    public ReadOnlySpan<int> MembersOf(int batch) => Utterances.AsSpan(Batches[batch].First, Batches[batch].Count);

    /// <summary>The batches of one rank, by their places in the epoch, from a step on; -1 where it has none of a step.</summary>
    /// <param name="lane">The rank.</param>
    /// <param name="accumulate">Batches of a whole step; a multiple of the ranks.</param>
    /// <param name="firstStep">The first step.</param>
    public IEnumerable<(int Batch, StepPart Part)> BatchesOf(Lane lane, int accumulate, int firstStep)
    {
        int start = FirstOf(firstStep);
        foreach (BatchSpan[] step in Steps.Skip(firstStep))
        {
            (int first, int end) = lane.PlacesOf(accumulate, step.Length);
            int utterances = step.Sum(batch => batch.Count);
            if (first == end)
                yield return (-1, new StepPart(step.Length, step.Length, utterances, step.Length, step.Length));
            for (int place = first; place < end; place++)
                yield return (start + place, new StepPart(place, step.Length, utterances, first, end));
            start += step.Length;
        }
    }

    private static IEnumerable<StepPart> PartsOf(BatchSpan[] step)
    {
        int utterances = step.Sum(batch => batch.Count);
        return step.Select((_, place) => new StepPart(place, step.Length, utterances));
    }
}

/// <summary>Which utterances make up each batch of an epoch.</summary>
/// <remarks>A batch is a run of neighbours in the length-sorted corpus, so that little of it is padding, and a step a run of neighbouring batches; shuffling moves whole steps. Where they are
/// drawn anew, utterances change places over a few steps first; how many there are of each batch stays. So a step of several batches has the utterances that one large batch would have.</remarks>
internal static class BatchPlan
{
    /// <summary>Mean steps' worth of utterances over which each epoch's are drawn: enough for new company, and few enough for like lengths.</summary>
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
    /// <param name="accumulate">Batches of a step.</param>
    public static int Reach(BatchSpan[] batches, int accumulate = 1) => batches.Length == 0 ? 0 : (int)Math.Ceiling(Bucket * (batches[^1].Last + 1.0) / Steps(batches.Length, accumulate));

    /// <summary>Steps of so many batches; the last may have fewer of them.</summary>
    public static int Steps(int batches, int accumulate) => batches / accumulate + (batches % accumulate > 0 ? 1 : 0);

    /// <summary>The steps of an epoch; that of the longest utterances may have fewer batches.</summary>
    /// <remarks>They depend on the arguments alone: SplitMix64, seeded from seed and epoch, drives all that is random.</remarks>
    /// <param name="batches">The batches in ascending length; not changed.</param>
    /// <param name="order">The order.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="epoch">Counts from 0.</param>
    /// <param name="accumulate">Batches of a step.</param>
    public static EpochPlan ForEpoch(BatchSpan[] batches, BatchOrder order, int seed, int epoch, int accumulate = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(accumulate);
        int[] utterances = [.. Enumerable.Range(0, batches.Length == 0 ? 0 : batches[^1].Last + 1)];
        BatchSpan[][] steps = [.. batches.Chunk(accumulate)];
        var random = new SplitMix64((ulong)(uint)seed << 32 | (uint)epoch);
        if (order == BatchOrder.Shuffled || order is BatchOrder.Sortagrad or BatchOrder.Bucketed && epoch > 0)
            random.Shuffle(steps.AsSpan());
        if (order == BatchOrder.Bucketed && epoch > 0)
            Disorder(utterances, Reach(batches, accumulate), ref random);
        return new EpochPlan(utterances, steps);
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
