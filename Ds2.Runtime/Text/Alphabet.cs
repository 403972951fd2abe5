using System.Text;
using System.Text.Json.Serialization;

namespace Ds2.Runtime.Text;

/// <summary>What the model can write, each character or group of characters with its label. Two are equal if their labels are.</summary>
/// <remarks>As JSON it is the array of its labels.</remarks>
[JsonConverter(typeof(AlphabetJson))]
public sealed class Alphabet : IEquatable<Alphabet>
{
    private readonly string[] texts;

    /// <summary>Labels of one character each.</summary>
    private readonly Dictionary<char, int> single = [];

    /// <summary>The same for ASCII, as nearly all that is looked up is; 0 for none.</summary>
    private readonly int[] ascii = new int[128];

    /// <summary>Longer labels by their first character, longest first: "ch" is found before "c".</summary>
    private readonly Dictionary<char, int[]> longer;

    /// <summary>Makes an alphabet.</summary>
    /// <param name="labels">The blank first, whose text stands for nothing that can be said; then what each label writes: a character, or several, as where a letter has a mark that Unicode
    /// knows no composed character for. Decomposed characters are composed. White space is the single space, as a label of its own.</param>
    /// <exception cref="ArgumentException">There is nothing but a blank, a label is empty, stands twice or has white space in it, or is no Unicode.</exception>
    public Alphabet(IEnumerable<string> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        texts = [.. labels.Select(label => CanonicalText.Compose(label ?? ""))];
        if (texts.Length < 2)
            throw new ArgumentException($"an alphabet of {texts.Length} labels can write nothing", nameof(labels));
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int label = 0; label < texts.Length; label++)
        {
            string text = texts[label];
            if (!CanBeLabel(text))
                throw new ArgumentException($"label {label} of the alphabet is '{text}': a label is a character or several, without white space in them, or a space alone", nameof(labels));
            if (!seen.Add(text))
                throw new ArgumentException($"label {label} of the alphabet, '{text}', stands in it twice", nameof(labels));
            if (label > 0 && text.Length == 1)
            {
                single.Add(text[0], label);
                if (text[0] < ascii.Length)
                    ascii[text[0]] = label;
            }
        }
        Space = Array.IndexOf(texts, " ", 1);
        longer = Enumerable.Range(1, texts.Length - 1).Where(label => texts[label].Length > 1).GroupBy(label => texts[label][0])
            .ToDictionary(group => group.Key, group => group.OrderByDescending(label => texts[label].Length).ToArray());
        bool upper = texts.Skip(1).Any(text => text.Any(c => char.ToLowerInvariant(c) != c)), lower = texts.Skip(1).Any(text => text.Any(c => char.ToUpperInvariant(c) != c));
        Case = upper == lower ? LetterCase.AsWritten : upper ? LetterCase.Upper : LetterCase.Lower;
    }

    /// <summary>29 labels: blank <c>_</c> (0), apostrophe (1), A to Z (2 to 27), space (28).</summary>
    public static Alphabet English { get; } = new("_'ABCDEFGHIJKLMNOPQRSTUVWXYZ ".Select(character => character.ToString()));

    /// <summary>The number of labels, blank included.</summary>
    public int Size => texts.Length;

    /// <summary>The label of CTC's blank.</summary>
    public int Blank => 0;

    /// <summary>The label of the space, which separates words; -1 where there is none: each label is then a word.</summary>
    public int Space { get; }

    /// <summary>What the labels write, the blank's first.</summary>
    public IReadOnlyList<string> Labels => texts;

    /// <summary>The case that texts are brought to: the only one that the labels have, if they have only one.</summary>
    internal LetterCase Case { get; }

    /// <summary>What a label writes; the blank's text is never written.</summary>
    /// <param name="label">0 .. Size - 1.</param>
    public string this[int label] => texts[label];

    /// <summary>The words of a text: what spaces separate, or, without a space, each label. A character that no label writes is then a word of its own, as it was said; white space is none.</summary>
    public string[] WordsOf(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Space < 0 ? LabelsOf(text) : text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The label that writes a text, the blank's apart; -1 where there is none.</summary>
    public int LabelOf(string text) => Array.IndexOf(texts, text, 1);

    /// <summary>The labels of a text, the longest one that fits at each place. Letters of the other case count as those of the alphabet's; what the alphabet cannot write is left out.</summary>
    /// <param name="text">Any text.</param>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string folded = Fold(CanonicalText.Compose(text, Case));
        var labels = new List<int>(folded.Length);
        for (int i = 0; i < folded.Length;)
        {
            int length = Match(folded.AsSpan(i), out int label);
            if (length > 0)
                labels.Add(label);
            i += Math.Max(length, 1);
        }
        return [.. labels];
    }

    /// <summary>The text of labels.</summary>
    /// <param name="labels">Labels, 0 .. Size - 1.</param>
    public string Decode(ReadOnlySpan<int> labels)
    {
        int length = 0;
        foreach (int label in labels)
            length += texts[label].Length;
        Span<char> text = length <= 512 ? stackalloc char[length] : new char[length];
        int at = 0;
        foreach (int label in labels)
        {
            texts[label].CopyTo(text[at..]);
            at += texts[label].Length;
        }
        return new string(text);
    }

    /// <inheritdoc/>
    public bool Equals(Alphabet? other) => other is not null && texts.AsSpan().SequenceEqual(other.texts);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Alphabet);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (string text in texts)
            hash.Add(text, StringComparer.Ordinal);
        return hash.ToHashCode();
    }

    /// <summary>The longest label that a text begins with.</summary>
    /// <returns>How many characters it takes; 0 where the text begins with none.</returns>
    internal int Match(ReadOnlySpan<char> text, out int label)
    {
        if (longer.Count > 0 && longer.TryGetValue(text[0], out int[]? candidates))
        {
            foreach (int candidate in candidates)
            {
                if (text.StartsWith(texts[candidate], StringComparison.Ordinal))
                {
                    label = candidate;
                    return texts[candidate].Length;
                }
            }
        }
        if (text[0] >= ascii.Length)
            return single.TryGetValue(text[0], out label) ? 1 : 0;
        label = ascii[text[0]];
        return label > 0 ? 1 : 0;
    }

    /// <summary>The labels of a text, as they are written, and what none writes, character by character.</summary>
    private string[] LabelsOf(string text)
    {
        // White space goes first: of "c h" a model can write no more than "ch", which is read as the label "ch" where there is one.
        string folded = Fold(CanonicalText.Compose(string.Concat(text.Split((char[]?)null)), Case));
        var words = new List<string>(folded.Length);
        for (int i = 0; i < folded.Length;)
        {
            int length = Math.Max(Match(folded.AsSpan(i), out _), char.IsSurrogatePair(folded, i) ? 2 : 1);
            words.Add(folded.Substring(i, length));
            i += length;
        }
        return [.. words];
    }

    /// <summary>A text in the alphabet's case.</summary>
    internal string Fold(string text) => Case switch
    {
        LetterCase.Upper => text.ToUpperInvariant(),
        LetterCase.Lower => text.ToLowerInvariant(),
        _ => text,
    };

    /// <summary>A text in the alphabet's case, as long as it was.</summary>
    internal void Fold(ReadOnlySpan<char> text, Span<char> folded)
    {
        _ = Case switch
        {
            LetterCase.Upper => text.ToUpperInvariant(folded),
            LetterCase.Lower => text.ToLowerInvariant(folded),
            _ => Copy(text, folded),
        };

        static int Copy(ReadOnlySpan<char> from, Span<char> to)
        {
            from.CopyTo(to);
            return from.Length;
        }
    }

    /// <summary>Whether an alphabet may have such a label: Unicode, and without white space, or the space alone.</summary>
    internal static bool CanBeLabel(string text) =>
        text.Length > 0 && (text == " " || !text.Any(char.IsWhiteSpace)) && text.EnumerateRunes().All(rune => rune != Rune.ReplacementChar);
}

/// <summary>What becomes of capital and small letters.</summary>
public enum LetterCase
{
    /// <summary>They stay what they are.</summary>
    AsWritten,

    /// <summary>All become capitals.</summary>
    Upper,

    /// <summary>All become small.</summary>
    Lower,
}
