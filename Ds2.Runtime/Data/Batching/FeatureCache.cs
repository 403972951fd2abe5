using System.Collections.Concurrent;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Keeps the features of the first utterances that fit a budget, for the epochs to come.</summary>
/// <remarks>Nothing is ever evicted: an epoch visits everything once, and under such a scan a cache that evicts the oldest never hits.</remarks>
/// <param name="capacity">Bytes of feature values to hold at most; 0 keeps nothing.</param>
internal sealed class FeatureCache(long capacity)
{
    private readonly ConcurrentDictionary<int, FeatureMatrix> kept = new();
    private long bytes;

    /// <summary>Bytes held.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <summary>The cached features of an utterance, or null.</summary>
    public FeatureMatrix? Find(int utterance) => kept.GetValueOrDefault(utterance);

    /// <summary>Keeps features if there is room.</summary>
    public void Offer(int utterance, FeatureMatrix features)
    {
        long size = (long)features.Values.Length * sizeof(float);
        if (Interlocked.Add(ref bytes, size) > capacity || !kept.TryAdd(utterance, features))
            Interlocked.Add(ref bytes, -size);
    }
}
