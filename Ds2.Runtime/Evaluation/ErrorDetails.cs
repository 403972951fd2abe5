using Ds2.Runtime.Data;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Evaluation;

/// <summary>The errors of a speaker, or of a folder.</summary>
/// <param name="Name">The speaker's or the folder's.</param>
/// <param name="Rates">Over its utterances.</param>
public sealed record SpeakerErrors(string Name, ErrorRates Rates);

/// <summary>An utterance with its errors.</summary>
/// <param name="Transcript">What was said and heard.</param>
/// <param name="Rates">Of this one alone.</param>
public sealed record UtteranceErrors(Transcript Transcript, ErrorRates Rates);

/// <summary>An error and how often it was made.</summary>
/// <param name="Said">What was said; null where something was inserted.</param>
/// <param name="Heard">What was heard in its place; null where it was deleted.</param>
/// <param name="Count">How often.</param>
public readonly record struct Confusion(string? Said, string? Heard, int Count)
{
    /// <summary>substitution, deletion or insertion.</summary>
    public string Kind => Said is null ? "insertion" : Heard is null ? "deletion" : "substitution";
}

/// <summary>Where an evaluation's errors are: by speaker, by utterance, by word and by letter.</summary>
/// <remarks>Errors are those of <see cref="ErrorRates"/>: words as they are, letters without white space. Where several alignments have as few, <see cref="EditAlignment"/> takes one.</remarks>
/// <param name="BySpeaker">Of each speaker, or of each folder where the recordings' names tell of none; the highest word error rate first.</param>
/// <param name="AreFolders">Whether these are folders.</param>
/// <param name="Worst">The utterances that have errors, the highest word error rate first, of equal ones that with the most errors.</param>
/// <param name="Words">Which words were taken for which, the commonest first.</param>
/// <param name="Letters">The same of characters.</param>
public sealed record ErrorDetails(
    IReadOnlyList<SpeakerErrors> BySpeaker, bool AreFolders, IReadOnlyList<UtteranceErrors> Worst, IReadOnlyList<Confusion> Words, IReadOnlyList<Confusion> Letters)
{
    /// <summary>Looks into an evaluation's transcripts.</summary>
    /// <param name="transcripts">All utterances.</param>
    /// <param name="alphabet">What they are written with; null for one with a space.</param>
    public static ErrorDetails Of(IReadOnlyList<Transcript> transcripts, Alphabet? alphabet = null)
    {
        ArgumentNullException.ThrowIfNull(transcripts);
        string[] speakers = SpeakerNames.OrFolders([.. transcripts.Select(transcript => transcript.AudioPath)], out bool areFolders);
        var bySpeaker = new Dictionary<string, ErrorRates>();
        var utterances = new UtteranceErrors[transcripts.Count];
        var words = new Dictionary<(string?, string?), int>();
        var letters = new Dictionary<(string?, string?), int>();
        Lock gate = new();
        Parallel.For(0, utterances.Length, i =>
        {
            Transcript transcript = transcripts[i];
            var rates = new ErrorRates(alphabet);
            rates.Add(transcript.Reference, transcript.Hypothesis);
            utterances[i] = new UtteranceErrors(transcript, rates);
            if (transcript.Reference == transcript.Hypothesis)
                return;
            string[] said = ErrorRates.Words(transcript.Reference, alphabet), heard = ErrorRates.Words(transcript.Hypothesis, alphabet);
            List<(string?, string?)> wrongWords = ErrorsOf(said, heard), wrongLetters = ErrorsOf(LettersOf(said), LettersOf(heard));
            lock (gate)
            {
                Count(words, wrongWords);
                Count(letters, wrongLetters);
            }
        });
        for (int i = 0; i < utterances.Length; i++)
        {
            if (!bySpeaker.TryGetValue(speakers[i], out ErrorRates? rates))
                bySpeaker.Add(speakers[i], rates = new ErrorRates());
            rates.Add(utterances[i].Rates);
        }

        return new ErrorDetails(
            [.. bySpeaker.Select(pair => new SpeakerErrors(pair.Key, pair.Value)).OrderByDescending(speaker => speaker.Rates.Wer).ThenBy(speaker => speaker.Name, StringComparer.Ordinal)],
            areFolders,
            [.. utterances.Where(utterance => utterance.Rates.WordErrors > 0).OrderByDescending(utterance => utterance.Rates.Wer).ThenByDescending(utterance => utterance.Rates.WordErrors)],
            Sorted(words),
            Sorted(letters));
    }

    private static List<(string? Said, string? Heard)> ErrorsOf(string[] said, string[] heard) =>
    [
        .. EditAlignment.Of<string>(said, heard).Select(step => (step.Reference < 0 ? null : said[step.Reference], step.Hypothesis < 0 ? null : heard[step.Hypothesis]))
            .Where(pair => pair.Item1 != pair.Item2),
    ];

    private static string[] LettersOf(string[] words) => [.. words.SelectMany(word => word.EnumerateRunes()).Select(letter => letter.ToString())];

    private static void Count(Dictionary<(string?, string?), int> counts, List<(string?, string?)> errors)
    {
        foreach ((string?, string?) error in errors)
            counts[error] = counts.GetValueOrDefault(error) + 1;
    }

    private static Confusion[] Sorted(Dictionary<(string? Said, string? Heard), int> counts) =>
    [
        .. counts.Select(pair => new Confusion(pair.Key.Said, pair.Key.Heard, pair.Value)).OrderByDescending(confusion => confusion.Count)
            .ThenBy(confusion => confusion.Said, StringComparer.Ordinal).ThenBy(confusion => confusion.Heard, StringComparer.Ordinal),
    ];
}
