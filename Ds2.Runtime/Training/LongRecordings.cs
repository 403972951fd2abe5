using System.Globalization;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;

namespace Ds2.Runtime.Training;

/// <summary>Tells of a few long recordings on which alone it depends how much memory a batch takes.</summary>
internal static class LongRecordings
{
    /// <summary>Less memory is no matter on any machine that trains.</summary>
    private const long LeastBytes = 1L << 30;

    /// <summary>One recording is few, and so are three of thirty and more, and one in a thousand.</summary>
    private const int Few = 3, OfAtLeast = 10, Thousand = 1000;

    /// <summary>A line, where leaving out a few of the longest recordings halves what the largest batch takes; else null.</summary>
    /// <param name="loader">The set.</param>
    /// <param name="options">How batches are made.</param>
    /// <param name="bytesFor">What a batch of a size takes.</param>
    /// <param name="isTraining">Whether it is the training set, from which an option leaves recordings out; else the validation set, of which all are heard.</param>
    public static string? Note(BatchLoader loader, DataOptions options, Func<BatchSize, long> bytesFor, bool isTraining = true)
    {
        IReadOnlyList<Utterance> all = loader.Corpus.Utterances; // by length
        int most = Math.Min(Math.Max(Math.Clamp(all.Count / OfAtLeast, 1, Few), all.Count / Thousand), all.Count - 1);
        long whole = Bytes(Largest(0));
        if (whole < LeastBytes)
            return null;
        for (int few = 1; few <= most; few++)
        {
            long without = Bytes(Largest(few));
            if (without <= whole / 2)
                return Line(few, whole, without);
        }

        return null;

        // The largest batch where so many of the longest are left out; in batches by frames all are about as large, unless one recording alone is larger.
        BatchSize Largest(int few)
        {
            int last = all.Count - 1 - few, frames = loader.MostFrames(all[last]);
            int utterances = Math.Min(options.BatchFrames > 0 ? Math.Max(1, options.BatchFrames / frames) : options.Batch, last + 1);
            return new BatchSize(utterances, frames, Enumerable.Range(last - utterances + 1, utterances).Max(i => all[i].LabelCount));
        }

        long Bytes(BatchSize size)
        {
            try
            {
                return bytesFor(size);
            }
            catch (OverflowException)
            {
                return long.MaxValue; // more elements than a tensor has: more than any device
            }
        }

        string Line(int few, long whole, long without)
        {
            Utterance longest = all[^1], kept = all[all.Count - 1 - few];
            double seconds = Math.Ceiling(10 * kept.Seconds) / 10;
            if (seconds >= all[all.Count - few].Seconds)
                seconds = kept.Seconds;
            string which = few == 1 ? $"{longest.AudioPath}, {Number(longest.Seconds)} s long, alone decides" : $"{few} long recordings decide, {longest.AudioPath} of {Number(longest.Seconds)} s the longest,";
            if (!isTraining)
                return $"{which} about the memory of validation: a batch takes {Size(whole)}, and {Size(without)} without {(few == 1 ? "it" : "them")}; cut {(few == 1 ? "it" : "them")} into pieces, or out of the validation manifest";
            string line = $"{which} about the memory of a batch: it takes {Size(whole)}, and {Size(without)} with --set maxSeconds={Number(seconds)}, which leaves {(few == 1 ? "it" : "them")} out of {all.Count}";
            if (options.BatchFrames > 0)
                return line;
            BatchSize usual = Largest(few);
            int budget = usual.Utterances * usual.Frames, frames = loader.MostFrames(longest);
            long byFrames = Math.Max(Bytes(new BatchSize(Math.Max(1, budget / frames), frames, longest.LabelCount)), without);
            return byFrames <= whole / 2 ? $"{line}; --set batchFrames={budget} takes {Size(byFrames)} and trains on all" : line;
        }
    }

    private static string Size(long bytes) => bytes == long.MaxValue ? "more than any device has"
        : bytes >= 1_000_000_000 ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F1} GB") : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB");

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
