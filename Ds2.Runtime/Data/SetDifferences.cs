using System.Globalization;
using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Data;

/// <summary>What is otherwise in a validation set than in the set that is trained on, as far as it can be told from headers and a look into a few recordings: sampling rates and levels.</summary>
public static class SetDifferences
{
    /// <summary>A rate is worth a word where so much of the validation set has it, and so little of the training set.</summary>
    private const double Common = 0.1, Rare = 0.05;

    /// <summary>Decibels between the sets' levels that are worth a word: speakers and rooms of one kind of recording differ by less in the median.</summary>
    private const double MostDecibels = 6;

    /// <summary>Recordings of each set whose level is looked at: the median of so many is known to a decibel or two, whatever the size of the set.</summary>
    private const int Looked = 40;

    private const int LevelSamples = 5 * AudioFile.SampleRate, Window = AudioFile.SampleRate / 10;

    /// <summary>A line for each difference; none where both sets are one manifest, or hold features in place of sound.</summary>
    /// <param name="training">The training set.</param>
    /// <param name="validation">The validation set.</param>
    /// <exception cref="InputException">A recording cannot be read.</exception>
    public static IReadOnlyList<string> Notes(Corpus training, Corpus validation)
    {
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(validation);
        if (Path.GetFullPath(training.ManifestPath) == Path.GetFullPath(validation.ManifestPath))
            return [];
        return [.. new[] { Rates(training, validation), Levels(training, validation) }.OfType<string>()];
    }

    private static string? Rates(Corpus training, Corpus validation)
    {
        Dictionary<int, double> trained = SharesOf(training), validated = SharesOf(validation);
        if (trained.Count == 0 || validated.Count == 0)
            return null;
        (int rate, double share) = validated.Where(pair => pair.Value >= Common && trained.GetValueOrDefault(pair.Key) < Rare).OrderByDescending(pair => pair.Value).FirstOrDefault();
        if (rate == 0)
            return null;
        int usual = trained.MaxBy(pair => pair.Value).Key, lower = Math.Min(rate, usual);
        string heard = lower < AudioFile.SampleRate ? $", and sound of {lower} Hz has nothing above {lower / 2} Hz" : ", and recordings of another rate may be of another kind";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"sampling rates differ: {100 * share:0.#} % of {validation.ManifestPath} have {rate} Hz, but {100 * trained.GetValueOrDefault(rate):0.#} % of {training.ManifestPath}, where {usual} Hz is usual; all are heard at {AudioFile.SampleRate} Hz{heard}");
    }

    private static Dictionary<int, double> SharesOf(Corpus corpus)
    {
        var counts = new Dictionary<int, double>();
        int sounds = 0;
        foreach (Utterance utterance in corpus.Utterances)
        {
            RecordingInfo recording = utterance.Recording;
            if (recording.HoldsFeatures)
                continue;
            sounds++;
            counts[recording.Rate] = counts.GetValueOrDefault(recording.Rate) + 1;
        }
        return counts.ToDictionary(pair => pair.Key, pair => pair.Value / sounds);
    }

    private static string? Levels(Corpus training, Corpus validation)
    {
        if (MedianLevelOf(training) is not { } trained || MedianLevelOf(validation) is not { } validated || Math.Abs(trained - validated) <= MostDecibels)
            return null;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"levels differ: the median of {validation.ManifestPath} is {-validated:F0} dB below full scale, that of {training.ManifestPath} {-trained:F0} dB, by up to {Looked} recordings each: what is heard in validation is not quite what is trained on; bring both to one level, or train with augment=true");
    }

    /// <summary>The median over some recordings of all lengths of the level of their loudest tenth of a second; null where none is sound.</summary>
    private static double? MedianLevelOf(Corpus corpus)
    {
        IReadOnlyList<Utterance> all = corpus.Utterances; // by length
        int step = (all.Count + Looked - 1) / Looked;
        double[] levels =
        [
            .. Enumerable.Range(0, (all.Count + step - 1) / step).Select(i => all[i * step]).Where(utterance => !utterance.HoldsFeatures).Select(utterance => utterance.AudioPath)
                .AsParallel().Select(LevelOf).Where(double.IsFinite).Order(),
        ];
        return levels.Length == 0 ? null : levels[levels.Length / 2];
    }

    /// <summary>The level of a recording's loudest tenth of a second within its first five, in dB of full scale: pauses do not count. Minus infinity for silence.</summary>
    private static double LevelOf(string path)
    {
        using SoundReader reader = SoundReader.Open(path);
        double loudest = 0, sum = 0;
        int read = 0, inWindow = 0;
        while (read < LevelSamples && reader.Read() is { Length: > 0 } samples)
        {
            read += samples.Length;
            foreach (float sample in samples)
            {
                sum += (double)sample * sample;
                if (++inWindow < Window)
                    continue;
                loudest = Math.Max(loudest, sum / Window);
                (sum, inWindow) = (0, 0);
            }
        }
        // Of a recording shorter than a window, all of it.
        return 10 * Math.Log10(Math.Max(loudest, read < Window ? sum / Math.Max(inWindow, 1) : 0));
    }
}
