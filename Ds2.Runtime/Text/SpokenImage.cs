using System.Globalization;

namespace Ds2.Runtime.Text;

/// <summary>What stands for a character that an alphabet does not have, where that is beyond doubt.</summary>
/// <remarks>
/// Nothing is guessed at: digits, &amp;, %, @, /, currency signs and letters of other scripts are spoken, but not by one rule; whoever prepares the texts writes them out.
/// </remarks>
internal static class SpokenImage
{
    private const string Apostrophes = "'\u2019\u2018\u201B\u02BC\u02BB\u02B9`\u00B4\uFF07";

    /// <summary>Marks that carry no sound, beside brackets and quotation marks, which Unicode tells.</summary>
    private const string Silent = "\".,!?;:\u2026\u00A1\u00BF\u00B7\u201A\u201E\uFF02\uFF0C\uFF0E\uFF01\uFF1F\uFF1B\uFF1A\u3001\u3002\u30FB\u060C\u061B\u061F\u06D4\u0964\u0965";

    /// <summary>Those of them after which a new word begins, though somebody may have forgotten the space.</summary>
    private const string Separating = ",!?;\u2026\uFF0C\uFF01\uFF1F\uFF1B\u3001\u3002\u060C\u061B\u061F\u06D4\u0964\u0965";

    /// <summary>Letters that are written with others, or with a stroke that Unicode does not count as a mark.</summary>
    private static readonly Dictionary<char, string> Letters = new()
    {
        ['\u00C6'] = "AE",
        ['\u00E6'] = "ae",
        ['\u0152'] = "OE",
        ['\u0153'] = "oe",
        ['\u00DF'] = "ss",
        ['\u1E9E'] = "SS",
        ['\u00D8'] = "O",
        ['\u00F8'] = "o",
        ['\u0110'] = "D",
        ['\u0111'] = "d",
        ['\u00D0'] = "D",
        ['\u00F0'] = "d",
        ['\u00DE'] = "TH",
        ['\u00FE'] = "th",
        ['\u0126'] = "H",
        ['\u0127'] = "h",
        ['\u0131'] = "i",
        ['\u0132'] = "IJ",
        ['\u0133'] = "ij",
        ['\u0141'] = "L",
        ['\u0142'] = "l",
        ['\u0149'] = "'n",
        ['\u014A'] = "NG",
        ['\u014B'] = "ng",
        ['\u0166'] = "T",
        ['\u0167'] = "t",
        ['\u017F'] = "s",
        ['\u01C4'] = "DZ",
        ['\u01C5'] = "Dz",
        ['\u01C6'] = "dz",
        ['\u01C7'] = "LJ",
        ['\u01C8'] = "Lj",
        ['\u01C9'] = "lj",
        ['\u01CA'] = "NJ",
        ['\u01CB'] = "Nj",
        ['\u01CC'] = "nj",
        ['\u01F1'] = "DZ",
        ['\u01F2'] = "Dz",
        ['\u01F3'] = "dz",
        ['\uFB00'] = "ff",
        ['\uFB01'] = "fi",
        ['\uFB02'] = "fl",
        ['\uFB03'] = "ffi",
        ['\uFB04'] = "ffl",
        ['\uFB05'] = "st",
        ['\uFB06'] = "st",
    };

    /// <summary>Whether two letters beside this mark belong to two words.</summary>
    public static bool Separates(char mark) => Separating.Contains(mark, StringComparison.Ordinal);

    /// <summary>Whether a character is written for an apostrophe.</summary>
    public static bool IsApostrophe(char character) => Apostrophes.Contains(character, StringComparison.Ordinal);

    /// <summary>Whether a character has no sound of its own: a mark, a bracket, a dash.</summary>
    public static bool IsSilent(char character) => !char.IsSurrogate(character) && string.IsNullOrWhiteSpace(Next(character) ?? "?");

    /// <summary>All characters of the basic plane that the alphabet lacks and that have an image which it can write.</summary>
    /// <returns>The images in the alphabet's case: one or more characters, a space between words, or nothing for what has no sound.</returns>
    public static Dictionary<char, string> Of(Alphabet alphabet)
    {
        var images = new Dictionary<char, string>();
        for (int code = 0; code <= char.MaxValue; code++)
        {
            char character = (char)code;
            bool mayHave = !char.IsSurrogate(character) && !char.IsWhiteSpace(character) && (Next(character) is not null || Apostrophes.Contains(character, StringComparison.Ordinal));
            if (mayHave && alphabet.Match(alphabet.Fold(character.ToString()), out _) == 0 && Writable(character, alphabet) is { } image)
                images.Add(character, image);
        }
        return images;
    }

    /// <summary>What an alphabet writes for a character: itself, its image, its image's image …; null where it can write none of them.</summary>
    private static string? Writable(char character, Alphabet alphabet)
    {
        string folded = alphabet.Fold(character.ToString());
        if (alphabet.Match(folded, out _) > 0)
            return folded;
        if (Apostrophes.Contains(character, StringComparison.Ordinal))
            return alphabet.Match("'", out _) > 0 ? "'" : "";
        string? next = Next(character);
        if (string.IsNullOrWhiteSpace(next))
            return next;
        string?[] parts = [.. next.Select(part => Writable(part, alphabet))];
        return Array.TrueForAll(parts, part => part is not null) ? string.Concat(parts) : null;
    }

    private static string? Next(char character) => character switch
    {
        // Full-width forms, which stand as far from ASCII as the first of them does.
        >= '\uFF01' and <= '\uFF5E' => ((char)(character - '\uFF01' + '!')).ToString(),
        '_' or '\u2212' => " ",
        _ when Letters.TryGetValue(character, out string? letters) => letters,
        _ when CanonicalText.Bases.TryGetValue(character, out char bare) => bare.ToString(),
        _ when Silent.Contains(character, StringComparison.Ordinal) || CanonicalText.IsDiacritic(character) => "",
        _ => char.GetUnicodeCategory(character) switch
        {
            UnicodeCategory.DashPunctuation => " ",
            UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation => "",
            UnicodeCategory.Format => "", // byte order marks, soft hyphens, directions
            _ => null,
        },
    };
}
