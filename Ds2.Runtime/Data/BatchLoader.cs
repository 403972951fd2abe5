using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data;

/// <summary>Reads a corpus batch by batch, some batches ahead of the training.</summary>
public sealed class BatchLoader : IDisposable
{
    /// <summary>Features that are kept in memory if nothing else is said: 512 MB, about two hours of speech.</summary>
    public const long DefaultCacheBytes = 512L << 20;

    private readonly Corpus _corpus;
    private readonly FeatureExtractor _extractor;
    private readonly FeatureCache _cache;
    private readonly int _batchSize, _seed, _workers, _prefetch;
    private readonly BatchOrder _order;
    private readonly SpecAugment _augment;
    private readonly HashSet<OrderedPrefetch<Batch>> _running = [];
    private bool _disposed;

    /// <summary>Sets up a loader; nothing is read before an epoch starts.</summary>
    /// <param name="corpus">The utterances.</param>
    /// <param name="features">What to extract.</param>
    /// <param name="batchSize">Utterances in a batch.</param>
    /// <param name="order">The order of the batches.</param>
    /// <param name="seed">Decides the shuffled orders.</param>
    /// <param name="workers">Threads that read and extract, at low priority.</param>
    /// <param name="prefetch">Batches that are in work or wait.</param>
    /// <param name="augment">Masks on the features, others in every epoch; none if left out.</param>
    /// <param name="cacheBytes">Memory for features that later epochs need not extract again; 0 keeps none.</param>
    public BatchLoader(
        Corpus corpus, FeatureKind features, int batchSize, BatchOrder order, int seed, int workers = 2, int prefetch = 4, SpecAugment augment = default,
        long cacheBytes = DefaultCacheBytes)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(workers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(prefetch);
        ArgumentOutOfRangeException.ThrowIfNegative(cacheBytes);
        (_corpus, _batchSize, _order, _seed, _workers, _prefetch) = (corpus, batchSize, order, seed, workers, prefetch);
        _augment = augment;
        _extractor = new FeatureExtractor(features);
        _cache = new FeatureCache(cacheBytes);
    }

    /// <summary>Batches of an epoch.</summary>
    public int BatchesPerEpoch => (_corpus.Utterances.Count + _batchSize - 1) / _batchSize;

    /// <summary>Utterances of an epoch.</summary>
    public int UtteranceCount => _corpus.Utterances.Count;

    /// <summary>Height of the features.</summary>
    public int Rows => _extractor.Rows;

    /// <summary>The batches of an epoch, in the order of <see cref="BatchPlan"/>.</summary>
    /// <remarks>The threads start with the enumeration and have ended when it ends, also when it is left early.</remarks>
    /// <param name="epoch">Counts from 0.</param>
    /// <param name="firstBatch">Where to start, for a run that is continued.</param>
    /// <exception cref="InputException">While enumerating: a recording cannot be read. It is thrown in that batch's place.</exception>
    public IEnumerable<Batch> Epoch(int epoch, int firstBatch = 0)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(firstBatch);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstBatch, BatchesPerEpoch);
        return Enumerate(BatchPlan.Create(_corpus, _batchSize, _order, _seed, epoch), epoch, firstBatch);
    }

    /// <summary>Ends all threads. Enumerations that are still open must not be continued.</summary>
    public void Dispose()
    {
        OrderedPrefetch<Batch>[] open;
        lock (_running)
        {
            _disposed = true;
            open = [.. _running];
            _running.Clear();
        }
        foreach (OrderedPrefetch<Batch> prefetch in open)
            prefetch.Dispose();
    }

    private IEnumerable<Batch> Enumerate(IReadOnlyList<int[]> plan, int epoch, int firstBatch)
    {
        OrderedPrefetch<Batch> prefetch = Start(plan, epoch, firstBatch);
        try
        {
            while (prefetch.Take() is { } batch)
            {
                yield return batch;
                ObjectDisposedException.ThrowIf(_disposed, this);
            }
        }
        finally
        {
            bool ours;
            lock (_running)
                ours = _running.Remove(prefetch);
            if (ours)
                prefetch.Dispose();
        }
    }

    private OrderedPrefetch<Batch> Start(IReadOnlyList<int[]> plan, int epoch, int firstBatch)
    {
        lock (_running)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var prefetch = new OrderedPrefetch<Batch>(
                firstBatch, plan.Count, _workers, _prefetch, (index, stop) => Read(index, plan[index], epoch, stop));
            _running.Add(prefetch);
            return prefetch;
        }
    }

    private Batch Read(int index, int[] members, int epoch, CancellationToken stop)
    {
        var features = new FeatureMatrix[members.Length];
        for (int n = 0; n < members.Length; n++)
        {
            stop.ThrowIfCancellationRequested();
            features[n] = Features(members[n]);
            if (_augment.IsOn)
                features[n] = _augment.Apply(features[n], _seed, epoch, members[n]);
        }
        return new Batch(index, [.. members.Select(i => _corpus.Utterances[i])], features);
    }

    private FeatureMatrix Features(int utterance)
    {
        if (_cache.Find(utterance) is { } cached)
            return cached;
        FeatureMatrix features = _extractor.Normalize(_extractor.FromFile(_corpus.Utterances[utterance].AudioPath));
        _cache.Offer(utterance, features);
        return features;
    }
}
