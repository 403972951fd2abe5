using System.Collections.Frozen;

namespace Ds2.Runtime.Text;

/// <summary>One way to write each character: a letter followed by its marks becomes the one character that has them (Unicode's form C).</summary>
/// <remarks>Marks are taken in the order in which they stand; Hangul and old Chinese compatibility characters stay as they are.</remarks>
internal static class CanonicalText
{
    private const char FirstMark = '\u0300';

    private static readonly FrozenDictionary<(char Base, char Mark), char> Composed = Compositions.Pairs.Chunk(3).ToFrozenDictionary(e => (e[1], e[2]), e => e[0]);
    private static readonly FrozenDictionary<char, char> Same = Compositions.Singles.Chunk(2).ToFrozenDictionary(e => e[0], e => e[1]);

    /// <summary>A composed character and the one that is left without its last mark.</summary>
    public static FrozenDictionary<char, char> Bases { get; } =
        Compositions.Pairs.Chunk(3).Where(e => IsDiacritic(e[2])).ToFrozenDictionary(e => e[0], e => e[1]);

    /// <summary>Whether a character is an accent of European scripts, which a text can be read without.</summary>
    public static bool IsDiacritic(char character) => character is >= '\u0300' and <= '\u036F';

    /// <summary>Whether a text is composed already by what its characters are; most are.</summary>
    public static bool IsPlain(ReadOnlySpan<char> text) => !text.ContainsAnyExceptInRange('\0', (char)(FirstMark - 1));

    /// <summary>Composes a text in place.</summary>
    /// <param name="text">The text.</param>
    /// <param name="letters">The case that it will be brought to. A letter and its mark may be one character in that case alone: there is a small ẖ of one, a capital I with a dot.</param>
    /// <returns>Its new length, never longer.</returns>
    public static int Compose(Span<char> text, LetterCase letters = LetterCase.AsWritten)
    {
        int length = 0;
        foreach (char next in text)
        {
            char character = Same.GetValueOrDefault(next, next);
            if (length > 0 && (Composed.TryGetValue((text[length - 1], character), out char composed) || Composed.TryGetValue((InCase(text[length - 1], letters), character), out composed)))
                text[length - 1] = composed;
            else
                text[length++] = character;
        }
        return length;
    }

    /// <summary>A text composed, likewise.</summary>
    public static string Compose(string text, LetterCase letters = LetterCase.AsWritten)
    {
        if (IsPlain(text))
            return text;
        char[] characters = text.ToCharArray();
        return new string(characters, 0, Compose(characters, letters));
    }

    private static char InCase(char letter, LetterCase letters) => letters switch
    {
        LetterCase.Upper => char.ToUpperInvariant(letter),
        LetterCase.Lower => char.ToLowerInvariant(letter),
        _ => letter,
    };
}
