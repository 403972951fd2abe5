using Ds2.Runtime.Text;

namespace Ds2.Runtime.Data;

/// <summary>What a manifest holds, in numbers.</summary>
/// <param name="Manifest">The manifest.</param>
/// <param name="Seconds">The utterances' lengths, ascending.</param>
/// <param name="Speakers">Speakers, where file names tell of them (<see cref="SpeakerNames.Of"/>); else null.</param>
/// <param name="Words">Words of all transcripts, as they are scored.</param>
/// <param name="Characters">What the alphabet does not have.</param>
public sealed record CorpusStatistics(string Manifest, IReadOnlyList<double> Seconds, int? Speakers, long Words, TextReport Characters)
{
    /// <summary>Length of all recordings.</summary>
    public double Hours => Seconds.Sum() / 3600;

    /// <summary>Describes a corpus.</summary>
    public static CorpusStatistics Of(Corpus corpus)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        long words = corpus.Utterances.Sum(utterance => (long)corpus.Alphabet.WordsOf(utterance.Text).Length);
        return new CorpusStatistics(corpus.ManifestPath, [.. corpus.Utterances.Select(utterance => utterance.Seconds)], SpeakerNames.Of([.. corpus.Utterances.Select(utterance => utterance.AudioPath)])?.Distinct().Count(), words, corpus.Characters);
    }

    /// <summary>How many utterances fall into each of some equally wide bins from 0 to the longest.</summary>
    /// <param name="bins">The number of bins.</param>
    /// <returns>The width of a bin in seconds, which is a round number, and the counts.</returns>
    public (double Width, int[] Counts) Histogram(int bins)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bins);
        double exact = Seconds[^1] / bins, power = Math.Pow(10, Math.Floor(Math.Log10(exact)));
        double width = power * new[] { 1, 2, 2.5, 5, 10 }.First(step => step * power >= exact);
        var counts = new int[(int)(Seconds[^1] / width) + 1];
        foreach (double length in Seconds)
            counts[(int)(length / width)]++;
        return (width, counts);
    }
}
