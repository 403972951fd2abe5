using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Reads a corpus batch by batch, some batches ahead of the training.</summary>
public sealed class BatchLoader : IDisposable
{
    /// <summary>Features that are kept in memory if nothing else is said: 512 MB, about two hours of speech.</summary>
    public const long DefaultCacheBytes = 512L << 20;

    private readonly Corpus corpus;
    private readonly FeatureExtractor extractor;
    private readonly FeatureCache cache;
    private readonly BatchMemory memory = new();
    private readonly int batchSize, seed, workers, prefetch;
    private readonly BatchOrder order;
    private readonly SpecAugment augment;
    private readonly Lazy<BatchSpan[]> sortedBatches;
    private readonly HashSet<OrderedPrefetch<Batch>> running = [];
    private bool disposed;

    /// <summary>Sets up a loader; nothing is read before an epoch starts.</summary>
    /// <param name="corpus">The utterances.</param>
    /// <param name="extractor">Makes the features.</param>
    /// <param name="batchSize">Utterances in a batch.</param>
    /// <param name="order">The order of the batches.</param>
    /// <param name="seed">Decides the shuffled orders.</param>
    /// <param name="workers">Threads that read and extract, at low priority; null for <see cref="DefaultWorkers"/>.</param>
    /// <param name="prefetch">Batches that are in work or wait; null for two more than there are threads.</param>
    /// <param name="augment">Masks on the features, others in every epoch; none if left out.</param>
    /// <param name="cacheBytes">Memory for features that later epochs need not extract again; 0 keeps none.</param>
    public BatchLoader(
        Corpus corpus, FeatureExtractor extractor, int batchSize, BatchOrder order, int seed, int? workers = null, int? prefetch = null, SpecAugment augment = default,
        long cacheBytes = DefaultCacheBytes)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentNullException.ThrowIfNull(extractor);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        this.workers = workers ?? DefaultWorkers;
        this.prefetch = prefetch ?? this.workers + 2;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(this.workers, nameof(workers));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(this.prefetch, nameof(prefetch));
        ArgumentOutOfRangeException.ThrowIfNegative(cacheBytes);
        (this.corpus, this.batchSize, this.order, this.seed) = (corpus, batchSize, order, seed);
        this.augment = augment;
        this.extractor = extractor;
        cache = new FeatureCache(cacheBytes);
        sortedBatches = new Lazy<BatchSpan[]>(() => BatchFrames > 0
            ? BatchPlan.ByFrames([.. corpus.Utterances.Select(MostFrames)], BatchFrames)
            : BatchPlan.ByCount(corpus.Utterances.Count, this.batchSize));
    }

    /// <summary>Threads if nothing else is said: one a core but one, 2 to 8. On the host they give way to the engine's; beside a GPU, eight extract some 8000 seconds of speech a second.</summary>
    public static int DefaultWorkers => Math.Clamp(Environment.ProcessorCount - 1, 2, 8);

    /// <summary>Frames that a batch holds at most, padding included, unless one utterance alone has more; 0 for batches by count.</summary>
    public int BatchFrames { get; init; }

    /// <summary>Batches that make one step: neighbours by length, which stay together in every order; at least 1.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>The rank whose batches are read. <see cref="Accumulate"/> is a multiple of the ranks.</summary>
    public Lane Lane { get; init; } = Lane.Alone;

    /// <summary>Changes the recordings' sound, differently in every epoch; their features are then kept nowhere. Null for none.</summary>
    public AudioAugment? Audio { get; init; }

    /// <summary>Changes features before they are normalized, differently in every epoch.</summary>
    public FeatureAugment FeatureAugment { get; init; }

    /// <summary>Keeps the features of recordings whose sound is not changed for the runs to come; null for nowhere. The caller's.</summary>
    public FeatureStore? Store { get; init; }

    /// <summary>The utterances.</summary>
    internal Corpus Corpus => corpus;

    /// <summary>Batches of an epoch.</summary>
    public int BatchesPerEpoch => sortedBatches.Value.Length;

    /// <summary>Steps of an epoch; one of them has fewer than <see cref="Accumulate"/> batches where the others leave so many.</summary>
    public int StepsPerEpoch => BatchPlan.Steps(BatchesPerEpoch, Accumulate);

    /// <summary>Utterances of an epoch.</summary>
    public int UtteranceCount => corpus.Utterances.Count;

    /// <summary>Height of the features.</summary>
    public int Rows => extractor.Rows;

    /// <summary>The sizes of batches that cover those of all others; one where batches go by count and the longest recordings have the longest texts.</summary>
    public IReadOnlyList<BatchSize> Largest
    {
        get
        {
            // Where batches are drawn anew, what may come into one stands up to so many places before or after it.
            int reach = order == BatchOrder.Bucketed ? BatchPlan.Reach(sortedBatches.Value, Accumulate) : 0;
            return BatchSize.Largest(sortedBatches.Value.Select(batch =>
            {
                int first = Math.Max(batch.First - reach, 0), last = Math.Min(batch.Last + reach, corpus.Utterances.Count - 1);
                return new BatchSize(batch.Count, MostFrames(corpus.Utterances[last]), Enumerable.Range(first, last - first + 1).Max(utterance => corpus.Utterances[utterance].LabelCount));
            }));
        }
    }

    /// <summary>The batches of an epoch that the rank has, in the order of <see cref="BatchPlan"/>: at least one a step, without utterances where the step has none for it.</summary>
    /// <remarks>The threads start with the enumeration and have ended when it ends, also when it is left early.</remarks>
    /// <param name="epoch">Counts from 0.</param>
    /// <param name="firstStep">Where to start, for a run that is continued: the steps before are left out.</param>
    /// <exception cref="InputException">While enumerating: a recording cannot be read. It is thrown in that batch's place.</exception>
    public IEnumerable<Batch> Epoch(int epoch, int firstStep = 0)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(firstStep);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstStep, StepsPerEpoch);
        EpochPlan plan = PlanFor(epoch);
        return Enumerate(plan, epoch, [.. plan.BatchesOf(Lane, Accumulate, firstStep)]);
    }

    /// <summary>The utterances of all batches of an epoch, whichever rank's, in order; nothing is read.</summary>
    /// <param name="epoch">Counts from 0.</param>
    public IEnumerable<Utterance[]> Batches(int epoch)
    {
        EpochPlan plan = PlanFor(epoch);
        return Enumerable.Range(0, plan.Batches.Length).Select(batch => UtterancesOf(plan.MembersOf(batch)));
    }

    /// <summary>A digest of an epoch's batches: which utterances, in which order, how many at a time, how many batches a step.</summary>
    /// <param name="epoch">Counts from 0.</param>
    public string PlanOf(int epoch)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        EpochPlan plan = PlanFor(epoch);
        for (int batch = 0; batch < plan.Batches.Length; batch++)
        {
            // No id has a tab in it. Where a step is a batch, the digest is that of checkpoints from before there were others.
            string end = plan.Parts[batch].IsLast ? "\n\n" : "\n\t\n";
            hash.AppendData(Encoding.UTF8.GetBytes(string.Join('\n', UtterancesOf(plan.MembersOf(batch)).Select(utterance => utterance.Id)) + end));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A digest of what the first epoch's batches hold, in order: each utterance's id, text and length. What a recording sounds like is not in it: nothing is read.</summary>
    public string ContentOf()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Utterance utterance in Batches(0).SelectMany(batch => batch))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{utterance.Id}\n{utterance.Labels.Length} {BitConverter.DoubleToInt64Bits(utterance.Seconds)}\n"));
            hash.AppendData(MemoryMarshal.AsBytes<int>(utterance.Labels));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Ends all threads. Enumerations that are still open must not be continued.</summary>
    public void Dispose()
    {
        OrderedPrefetch<Batch>[] open;
        lock (running)
        {
            disposed = true;
            open = [.. running];
            running.Clear();
        }
        foreach (OrderedPrefetch<Batch> batches in open)
            batches.Dispose();
    }

    private EpochPlan PlanFor(int epoch) => BatchPlan.ForEpoch(sortedBatches.Value, order, seed, epoch, Accumulate);

    private IEnumerable<Batch> Enumerate(EpochPlan plan, int epoch, (int Batch, StepPart Part)[] own)
    {
        OrderedPrefetch<Batch> batches = Start(plan, epoch, own);
        try
        {
            while (batches.Take() is { } batch)
            {
                yield return batch;
                ObjectDisposedException.ThrowIf(disposed, this);
            }
        }
        finally
        {
            bool ours;
            lock (running)
                ours = running.Remove(batches);
            if (ours)
                batches.Dispose();
        }
    }

    private OrderedPrefetch<Batch> Start(EpochPlan plan, int epoch, (int Batch, StepPart Part)[] own)
    {
        lock (running)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            var batches = new OrderedPrefetch<Batch>(
                0, own.Length, workers, prefetch, (index, stop) => Read(own[index].Batch, own[index].Part, plan, epoch, stop));
            running.Add(batches);
            return batches;
        }
    }

    private Batch Read(int index, StepPart part, EpochPlan plan, int epoch, CancellationToken stop)
    {
        if (index < 0)
            return new Batch(part, Rows, memory);
        ReadOnlySpan<int> members = plan.MembersOf(index);
        var features = new FeatureMatrix[members.Length];
        for (int n = 0; n < members.Length; n++)
        {
            stop.ThrowIfCancellationRequested();
            features[n] = Features(members[n], epoch);
            if (augment.IsOn)
                features[n] = augment.Apply(features[n], seed, epoch, members[n]);
        }
        return new Batch(index, part, UtterancesOf(members), features, memory);
    }

    private Utterance[] UtterancesOf(ReadOnlySpan<int> members)
    {
        var utterances = new Utterance[members.Length];
        for (int n = 0; n < members.Length; n++)
            utterances[n] = corpus.Utterances[members[n]];
        return utterances;
    }

    private FeatureMatrix Features(int utterance, int epoch)
    {
        string path = corpus.Utterances[utterance].AudioPath;
        // Nothing can be heard in it, and a set that is scored counts it: no frame gives no output frame, whatever is padded. Training leaves such recordings out.
        if (extractor.IsTooShort(path, corpus.Utterances[utterance].Seconds))
            return new FeatureMatrix([], extractor.Rows, 0);
        if (Audio is not null && !corpus.Utterances[utterance].HoldsFeatures)
            return Normalized(extractor.FromFile(path, samples => Audio.Draw(seed, epoch, utterance).Apply(samples)));
        if (cache.Find(utterance) is { } cached)
            return FeatureAugment.IsOn ? Normalized(cached) : cached;
        FeatureMatrix features = Store?.FromFile(path, extractor) ?? extractor.FromFile(path);
        if (!FeatureAugment.IsOn)
            features = extractor.Normalize(features);
        cache.Offer(utterance, features);
        return FeatureAugment.IsOn ? Normalized(features) : features;

        FeatureMatrix Normalized(FeatureMatrix raw) => extractor.Normalize(FeatureAugment.IsOn ? FeatureAugment.Apply(raw, extractor.Kind, seed, epoch, utterance) : raw);
    }

    /// <summary>No fewer frames than an utterance has, at the slowest tempo.</summary>
    internal int MostFrames(Utterance utterance) => FeatureExtractor.MostFrames(utterance.Seconds * (Audio?.LargestStretch ?? 1) * FeatureAugment.LargestStretch);
}
