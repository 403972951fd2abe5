using System.Globalization;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Files;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>A word or phrase that is likelier than a language model, or the sound alone, has it.</summary>
/// <param name="Text">The word, or words with spaces between.</param>
/// <param name="Boost">Added to the score of a text each time that the phrase stands in it, in nats: 3 makes it 20 times as likely. Below 0 it is less likely.</param>
public readonly record struct HotWord(string Text, double Boost);

/// <summary>Words and phrases that a beam search favours. Immutable: threads may share one.</summary>
/// <remarks>
/// A phrase counts where it stands as whole words, each time, overlapping ones too; in alphabets without a space wherever it stands.
/// So that it survives the frames in which it is begun, a prefix has credit for what is matched, Boost * labels matched / labels of the phrase, the largest of those that it may become, and at most <see cref="LargestCredit"/>;
/// it is taken back as soon as the match fails. What a text gets in the end is the sum of its phrases' boosts, nothing else: a neighbour that merely begins or ends like one has no gain.
/// A boost pays for letters, never for the spaces around a word: it is an alignment's, and only of one that emits the space at each border from the phrase's beginning to its end in a frame in which
/// the space has a probability of <see cref="LeastSpace"/> at least. A text's beginning and end are borders as well. Where a phrase begins within another that might go on, the borders back to that one's beginning count, too.
/// The matching is that of Aho and Corasick (1975), over labels.
/// </remarks>
public sealed class HotWords
{
    /// <summary>The boost of a line that gives none.</summary>
    public const double DefaultBoost = 4;

    /// <summary>The largest boost, up and down.</summary>
    public const double LargestBoost = 100;

    /// <summary>How probable a space must be in the frame that emits it to be a border of hot words: no less than all else.</summary>
    public const double LeastSpace = 0.5;

    /// <summary>The largest sum of the boosts of phrases that end alike ("A", "A A", …), up and down: e to that is still a number.</summary>
    private const double LargestSum = 600;

    /// <summary>The largest credit for a phrase that is not over, in nats: with more, what may fail yet would push what was heard out of the beam.</summary>
    internal const double LargestCredit = DefaultBoost;

    private readonly HashSet<string> words = new(StringComparer.Ordinal);

    /// <summary>Takes phrases.</summary>
    /// <param name="alphabet">The labels.</param>
    /// <param name="phrases">The phrases; they are normalised as transcripts are. Of one that stands here twice the larger boost counts.</param>
    /// <exception cref="ArgumentException">A phrase is empty, has characters that the alphabet cannot write, or a boost out of range; or the boosts of those that end alike are.</exception>
    public HotWords(Alphabet alphabet, IEnumerable<HotWord> phrases)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        ArgumentNullException.ThrowIfNull(phrases);
        Alphabet = alphabet;
        var normalization = new TextNormalization(alphabet);
        var boosts = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (HotWord phrase in phrases)
        {
            if (Fault(phrase, normalization, out string text) is { } fault)
                throw new ArgumentException(fault, nameof(phrases));
            boosts[text] = boosts.TryGetValue(text, out double boost) ? Math.Max(boost, phrase.Boost) : phrase.Boost;
            words.UnionWith(alphabet.WordsOf(text));
        }

        Phrases = [.. boosts.Select(pair => new HotWord(pair.Key, pair.Value))];
        Prefixes = new WordPrefixes(words);
        Automaton = new HotWordAutomaton(alphabet, boosts.Select(pair => (normalization.Encode(pair.Key), pair.Value)));
        if (Automaton.LargestBoost > LargestSum)
            throw new ArgumentException($"phrases that end alike have boosts of {Automaton.LargestBoost.ToString(CultureInfo.InvariantCulture)} in all: at most {LargestSum} can count at once", nameof(phrases));
    }

    /// <summary>The labels that the phrases are written in.</summary>
    public Alphabet Alphabet { get; }

    /// <summary>The phrases, normalised, each once.</summary>
    public IReadOnlyList<HotWord> Phrases { get; }

    /// <summary>How many phrases there are.</summary>
    public int Count => Phrases.Count;

    /// <summary>What the phrases' words begin with.</summary>
    internal WordPrefixes Prefixes { get; }

    /// <summary>Finds the phrases.</summary>
    internal HotWordAutomaton Automaton { get; }

    /// <summary>Reads a file of a phrase a line, optionally a tab and its boost after it. Empty lines are passed over.</summary>
    /// <param name="path">UTF-8 text.</param>
    /// <param name="alphabet">The labels.</param>
    /// <exception cref="InputException">It cannot be read, or a line is none.</exception>
    public static HotWords Load(string path, Alphabet alphabet)
    {
        var phrases = new List<HotWord>();
        var normalization = new TextNormalization(alphabet);
        string[] lines = InputFile.ReadLines(path);
        for (int i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i]))
                continue;
            string[] fields = lines[i].Split('\t');
            double boost = DefaultBoost;
            if (fields.Length > 2 || (fields.Length == 2 && !double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out boost)))
                throw new InputException($"{path}: line {i + 1} is '{lines[i]}': expected a word or phrase, or one, a tab and its boost as a number");
            var phrase = new HotWord(fields[0], boost);
            if (Fault(phrase, normalization, out _) is { } fault)
                throw new InputException($"{path}: line {i + 1}: {fault}");
            phrases.Add(phrase);
        }

        try
        {
            return new HotWords(alphabet, phrases);
        }
        catch (ArgumentException exception)
        {
            throw new InputException($"{path}: {exception.Message.Replace(" (Parameter 'phrases')", "", StringComparison.Ordinal)}", exception);
        }
    }

    /// <summary>Whether a word is one, or stands in a phrase.</summary>
    internal bool HasWord(ReadOnlySpan<char> word) => words.GetAlternateLookup<ReadOnlySpan<char>>().Contains(word);

    /// <summary>What is wrong with a phrase; null for nothing.</summary>
    private static string? Fault(HotWord phrase, TextNormalization normalization, out string text)
    {
        text = normalization.Normalize(phrase.Text ?? "");
        // Where no label is a space none is heard either: a phrase is its labels, however it is spaced.
        if (normalization.Alphabet.Space < 0)
            text = text.Replace(" ", "", StringComparison.Ordinal);
        if (!(Math.Abs(phrase.Boost) <= LargestBoost))
            return $"a boost of {phrase.Boost.ToString(CultureInfo.InvariantCulture)}: it must be in -{LargestBoost} .. {LargestBoost}";
        if (text.Length == 0)
            return "a hot word is empty";
        return normalization.Alphabet.Decode(normalization.Encode(text)) == text ? null : $"'{phrase.Text}' has characters that the model's alphabet cannot write";
    }
}
