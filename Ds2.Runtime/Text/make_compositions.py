"""Writes Compositions.cs beside it, from Python's Unicode data: python3 make_compositions.py"""
import pathlib
import unicodedata


def escaped(text):
    return "".join(c if "A" <= c <= "Z" or "a" <= c <= "z" else f"\\u{ord(c):04X}" for c in text)


pairs, singles = [], []
for c in map(chr, range(0x80, 0x10000)):
    parts = unicodedata.decomposition(c).split()
    if not parts or parts[0].startswith("<") or "\uF900" <= c <= "\uFAFF":
        continue  # no canonical decomposition, or a Chinese character kept for old encodings
    text = c + "".join(chr(int(part, 16)) for part in parts)
    if len(text) == 2:
        singles.append(text)
    elif unicodedata.normalize("NFC", unicodedata.normalize("NFD", c)) == c:
        pairs.append(text)


def constant(name, summary, entries):
    lines, line = [], ""
    for entry in map(escaped, entries):
        if len(line) + len(entry) > 150:
            lines.append(line)
            line = ""
        line += entry
    body = "\n        + ".join(f'"{line}"' for line in [*lines, line])
    return f"    /// <summary>{summary}</summary>\n    public const string {name} =\n        {body};\n"


pathlib.Path(__file__).with_name("Compositions.cs").write_text(
    f"""namespace Ds2.Runtime.Text;

/// <summary>Unicode's canonical compositions in the basic plane, version {unicodedata.unidata_version}, but for Hangul and Chinese. Written by make_compositions.py.</summary>
/// <remarks>With InvariantGlobalization, <see cref="string.Normalize()"/> returns its text as it is.</remarks>
internal static class Compositions
{{
{constant("Pairs", "Three characters an entry: the composed one, its base, and the mark on it.", pairs)}
{constant("Singles", "Two characters an entry: one, and the one that it is the same as.", singles)}}}
""", encoding="utf-8")
