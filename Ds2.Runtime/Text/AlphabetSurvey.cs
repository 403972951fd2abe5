using System.Globalization;
using System.Runtime.InteropServices;

namespace Ds2.Runtime.Text;

/// <summary>Counts what texts are written with, to make an alphabet of it.</summary>
/// <remarks>A character is what a reader takes for one (a grapheme cluster): a letter with its marks. Decomposed ones are composed where Unicode has one character for them.</remarks>
/// <param name="letterCase">What becomes of capital and small letters.</param>
public sealed class AlphabetSurvey(LetterCase letterCase)
{
    private const string Apostrophe = "'", Space = " ";

    private readonly Dictionary<string, long> counts = [], unwritable = [];

    /// <summary>Texts that were added.</summary>
    public long Texts { get; private set; }

    /// <summary>All characters with how often they occur, the most frequent first; white space counts as a space.</summary>
    public IReadOnlyList<(string Character, long Count)> Counts => Sorted(counts);

    /// <summary>What no label can be, alike: the replacement character, which stands for bytes that were none, and white space with a mark on it. The alphabet is made without.</summary>
    public IReadOnlyList<(string Character, long Count)> Unwritable => Sorted(unwritable);

    /// <summary>The first text that has such a character, by its name; null for none.</summary>
    public string? UnwritableIn { get; private set; }

    /// <summary>Adds a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">What messages call it, its file.</param>
    public void Add(string text, string name)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(name);
        // For the case, as a small letter may have a composed form that its capital lacks: the alphabet would have it twice.
        string composed = CanonicalText.Compose(text.Trim(), letterCase);
        string folded = letterCase switch
        {
            LetterCase.Upper => composed.ToUpperInvariant(),
            LetterCase.Lower => composed.ToLowerInvariant(),
            _ => composed,
        };
        for (int i = 0; i < folded.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(folded, i);
            string character = folded.Substring(i, length);
            if (string.IsNullOrWhiteSpace(character))
                character = Space;
            else if (SpokenImage.IsApostrophe(character[0]))
                character = Apostrophe;
            if (Alphabet.CanBeLabel(character))
            {
                CollectionsMarshal.GetValueRefOrAddDefault(counts, character, out _)++;
            }
            else
            {
                CollectionsMarshal.GetValueRefOrAddDefault(unwritable, character, out _)++;
                UnwritableIn ??= name;
            }
            i += length;
        }

        Texts++;
    }

    /// <summary>Whether a character is one that says nothing of its own: punctuation, which a text that is heard does not have.</summary>
    public static bool IsSilent(string character)
    {
        ArgumentNullException.ThrowIfNull(character);
        return character != Apostrophe && SpokenImage.IsSilent(character[0]);
    }

    /// <summary>The alphabet: all that was counted and is heard, by code point, the space last.</summary>
    /// <param name="leastCount">What occurs less often is left out.</param>
    /// <exception cref="InputException">Nothing is left.</exception>
    public Alphabet ToAlphabet(long leastCount = 1)
    {
        string[] letters = [.. counts.Where(pair => pair.Value >= leastCount && pair.Key != Space && !IsSilent(pair.Key)).Select(pair => pair.Key).Order(StringComparer.Ordinal)];
        if (letters.Length == 0)
            throw new InputException($"{Texts} texts have no character {leastCount} times or more that could be heard");
        return new Alphabet([letters.Contains("_") ? "<blank>" : "_", .. letters, .. counts.ContainsKey(Space) ? [Space] : (string[])[]]);
    }

    private static (string Character, long Count)[] Sorted(Dictionary<string, long> counts) =>
        [.. counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value))];
}
