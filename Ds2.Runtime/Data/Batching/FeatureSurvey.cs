using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Finds the mean and the deviation of each feature row over a corpus.</summary>
public static class FeatureSurvey
{
    /// <summary>Utterances whose sums wait to be added, in their order: the figures are the same to the bit, whatever the number of threads.</summary>
    private const int Block = 256;

    /// <summary>Reads all recordings of a corpus.</summary>
    /// <param name="corpus">The corpus; recordings too short for a frame do not count.</param>
    /// <param name="extractor">Makes the features; it needs no figures.</param>
    /// <param name="store">Where features are kept for later runs, or null.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="progress">Told how it goes on.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InputException">A recording cannot be read, or none has a frame.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static RowStatistics Of(
        Corpus corpus, FeatureExtractor extractor, FeatureStore? store, int workers, IWorkProgress progress, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentNullException.ThrowIfNull(extractor);
        ArgumentNullException.ThrowIfNull(progress);
        int count = corpus.Utterances.Count;
        var options = new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation };
        using IWorkItem work = progress.Begin("features' mean and deviation", count, WorkUnit.Items);
        var all = new RowSums(extractor.Rows);
        var block = new RowSums?[Block];
        for (int first = 0; first < count; first += Block)
        {
            int start = first, length = Math.Min(Block, count - first);
            try
            {
                Parallel.For(0, length, options, i =>
                {
                    block[i] = SumsOf(corpus.Utterances[start + i], extractor, store);
                    work.Advance(1);
                });
            }
            catch (AggregateException exception) when (exception.InnerExceptions[0] is InputException fault)
            {
                throw new InputException(fault.Message, exception);
            }

            foreach (RowSums? sums in block.AsSpan(0, length))
            {
                if (sums is not null)
                    all.Add(sums);
            }
        }

        return all.Frames > 0 ? all.ToStatistics() : throw new InputException($"{corpus.ManifestPath}: no recording is long enough for a frame of features");
    }

    private static RowSums? SumsOf(Utterance utterance, FeatureExtractor extractor, FeatureStore? store)
    {
        if (extractor.IsTooShort(utterance.AudioPath, utterance.Seconds))
            return null;
        var sums = new RowSums(extractor.Rows);
        sums.Add(store?.FromFile(utterance.AudioPath, extractor) ?? extractor.FromFile(utterance.AudioPath));
        return sums;
    }
}
