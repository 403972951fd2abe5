using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Data;

/// <summary>What the utterances of a corpus are like: a model trained on them hears best what is like them.</summary>
/// <param name="Seconds">The median of their lengths.</param>
/// <param name="EdgeSilence">The median of the digital silence that they begin with, in seconds; null where none of them is sound.</param>
public sealed record TypicalUtterance(double Seconds, double? EdgeSilence)
{
    /// <summary>How many recordings are looked into: a median needs no more, and of each but the beginning is read.</summary>
    private const int Looked = 200;

    /// <summary>Looks into a corpus.</summary>
    /// <param name="corpus">The corpus; of a large one, some recordings of all lengths.</param>
    /// <exception cref="InputException">A recording cannot be read.</exception>
    public static TypicalUtterance Of(Corpus corpus)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        IReadOnlyList<Utterance> all = corpus.Utterances; // by length
        int step = (all.Count + Looked - 1) / Looked;
        var silences = new List<double>();
        for (int i = 0; i < all.Count; i += step)
        {
            if (!all[i].HoldsFeatures)
                silences.Add(SilenceBefore(all[i].AudioPath));
        }
        silences.Sort();
        return new TypicalUtterance(all[all.Count / 2].Seconds, silences.Count == 0 ? null : silences[silences.Count / 2]);
    }

    private static double SilenceBefore(string path)
    {
        using SoundReader reader = SoundReader.Open(path);
        int silent = 0;
        while (reader.Read() is { Length: > 0 } samples)
        {
            int here = DigitalSilence.Before(samples);
            silent += here;
            if (here < samples.Length)
                break;
        }
        return (double)silent / AudioFile.SampleRate;
    }
}
