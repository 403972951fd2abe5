using System.Globalization;
using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Data;

/// <summary>What differs between a validation set and the set that is trained on, or within a set, as far as it can be told from headers and a look into a few recordings: sampling rates and levels.</summary>
public static class SetDifferences
{
    /// <summary>A rate is worth a word where so much of the validation set has it, and so little of the training set.</summary>
    private const double Common = 0.1, Rare = 0.05;

    /// <summary>Decibels between the sets' levels that are worth a word: speakers and rooms of one kind of recording differ by less in the median.</summary>
    private const double MostDecibels = 6;

    /// <summary>The part of a set that is worth a word.</summary>
    private const double Worthwhile = 0.01;

    /// <summary>Decibels between the quieter and the louder recordings of one set: a thousandth of the energy. Speakers of one corpus, each at a microphone of their own, lie up to 25 apart (spoken digits of people).</summary>
    private const double WidestDecibels = 30;

    /// <summary>The part of a set at either end that is not looked at: a few shouted or whispered recordings are no other kind.</summary>
    private const double Outliers = 0.1;

    /// <summary>Recordings of each set whose level is looked at: the median of so many is known to a decibel or two, whatever the size of the set.</summary>
    private const int Looked = 40;

    private const int LevelSamples = 5 * AudioFile.SampleRate, Window = AudioFile.SampleRate / 10;

    /// <summary>A line for each difference between the sets, and within each; none of sets that hold features in place of sound.</summary>
    /// <param name="training">The training set.</param>
    /// <param name="validation">The validation set.</param>
    /// <exception cref="InputException">A recording cannot be read.</exception>
    public static IReadOnlyList<string> Notes(Corpus training, Corpus validation)
    {
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(validation);
        if (Path.GetFullPath(training.ManifestPath) == Path.GetFullPath(validation.ManifestPath))
            return Within(training);
        double[] trained = LevelsOf(training), validated = LevelsOf(validation);
        return
        [
            .. new[]
            {
                Rates(training, validation), Levels(training, trained, validation, validated),
                RatesWithin(training), LevelsWithin(training, trained), RatesWithin(validation), LevelsWithin(validation, validated),
            }.OfType<string>(),
        ];
    }

    /// <summary>A line for each difference between recordings of one set; none where it holds features in place of sound.</summary>
    /// <param name="corpus">The set.</param>
    /// <exception cref="InputException">A recording cannot be read.</exception>
    public static IReadOnlyList<string> Within(Corpus corpus)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        return [.. new[] { RatesWithin(corpus), LevelsWithin(corpus, LevelsOf(corpus)) }.OfType<string>()];
    }

    /// <summary>Rates below that of the features: of recordings with higher ones nothing is missing.</summary>
    private static string? RatesWithin(Corpus corpus)
    {
        KeyValuePair<int, double>[] low = [.. SharesOf(corpus).Where(pair => pair.Key < AudioFile.SampleRate && pair.Value >= Worthwhile).OrderByDescending(pair => pair.Value)];
        bool hasOthers = 1 - low.Sum(pair => pair.Value) >= Worthwhile;
        if (low.Length + (hasOthers ? 1 : 0) < 2 || low.Length == 0)
            return null;
        string shares = string.Join(", ", low.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{100 * pair.Value:0.#} % have {pair.Key} Hz (nothing above {pair.Key / 2} Hz)")));
        return $"sampling rates differ within {corpus.ManifestPath}: {shares}{(hasOthers ? $", the others {AudioFile.SampleRate} Hz or more" : "")}: these are different kinds of sound to the model";
    }

    private static string? LevelsWithin(Corpus corpus, double[] levels)
    {
        if (levels.Length == 0)
            return null;
        double quiet = levels[(int)Math.Ceiling(Outliers * (levels.Length - 1))], loud = levels[(int)((1 - Outliers) * (levels.Length - 1))];
        if (loud - quiet <= WidestDecibels)
            return null;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"levels differ within {corpus.ManifestPath}: from {-quiet:F0} to {-loud:F0} dB below full scale, by {levels.Length} recordings, a tenth at either end left out: those that are so quiet may be of another kind, or next to silent");
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

    private static string? Levels(Corpus training, double[] trainingLevels, Corpus validation, double[] validationLevels)
    {
        if (trainingLevels.Length == 0 || validationLevels.Length == 0)
            return null;
        double trained = trainingLevels[trainingLevels.Length / 2], validated = validationLevels[validationLevels.Length / 2];
        if (Math.Abs(trained - validated) <= MostDecibels)
            return null;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"levels differ: the median of {validation.ManifestPath} is {-validated:F0} dB below full scale, that of {training.ManifestPath} {-trained:F0} dB, by up to {Looked} recordings each: what is heard in validation is not quite what is trained on; bring both to one level, or train with augment=true");
    }

    /// <summary>The levels of some recordings of all lengths (of their loudest tenth of a second), the quietest first; silence has none.</summary>
    private static double[] LevelsOf(Corpus corpus)
    {
        IReadOnlyList<Utterance> all = corpus.Utterances; // by length
        int step = (all.Count + Looked - 1) / Looked;
        return
        [
            .. Enumerable.Range(0, (all.Count + step - 1) / step).Select(i => all[i * step]).Where(utterance => !utterance.HoldsFeatures).Select(utterance => utterance.AudioPath)
                .AsParallel().Select(LevelOf).Where(double.IsFinite).Order(),
        ];
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
