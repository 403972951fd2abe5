using System.Globalization;
using System.Text;

namespace Ds2.Train.Transcripts;

/// <summary>Text as lines show it.</summary>
internal static class DisplayText
{
    /// <summary>The text on one line: each run of white space and control characters, line ends and tabs among them, is one space, none at the ends; half a surrogate pair is U+FFFD.</summary>
    public static string OneLine(string text)
    {
        var line = new StringBuilder(text.Length);
        bool space = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune) || Rune.IsControl(rune))
            {
                space = line.Length > 0;
                continue;
            }

            if (space)
                line.Append(' ');
            space = false;
            line.Append(rune.ToString());
        }

        return line.ToString();
    }

    /// <summary>What a reader takes for characters: grapheme clusters.</summary>
    public static IEnumerable<string> Characters(string text)
    {
        TextElementEnumerator elements = StringInfo.GetTextElementEnumerator(text);
        while (elements.MoveNext())
            yield return elements.GetTextElement();
    }

    /// <summary>Columns that it takes on a screen: one a character, two for Chinese, Japanese and Korean ones and for pictures.</summary>
    public static int Width(string text) => Characters(text).Sum(character => IsWide(Rune.GetRuneAt(character, 0)) ? 2 : 1);

    /// <summary>Whole blocks of Unicode instead of its table of East Asian widths: a few narrow signs among them count as wide, and lines get no longer by that.</summary>
    private static bool IsWide(Rune rune) => rune.Value is (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF)
        or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x1F300 and <= 0x1FAFF) or (>= 0x20000 and <= 0x3FFFD);
}
