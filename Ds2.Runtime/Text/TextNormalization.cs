using System.Buffers;
using System.Text;

namespace Ds2.Runtime.Text;

/// <summary>Brings texts to the form that is trained on and scored: see docs/data.md.</summary>
/// <remarks>
/// In this order: letters and their marks composed (Unicode's form C); the alphabet's case; white space as single spaces between words; what the alphabet lacks and has an obvious image,
/// as that image. All else the alphabet cannot write stays in the text, where it counts as what was said, and is left out of the labels. A normalised text stays as it is when
/// it is normalised again, and so does everything that an alphabet can write, but for its spaces. Objects are immutable: threads may share one.
/// </remarks>
public sealed class TextNormalization
{
    private readonly Dictionary<char, string> images;
    private readonly int space;

    /// <summary>The ASCII characters that are labels; null where some label is of several characters.</summary>
    private readonly SearchValues<byte>? plain;

    /// <summary>Prepares for an alphabet; takes some 20 ms: make one for many texts.</summary>
    /// <param name="alphabet">What can be written.</param>
    public TextNormalization(Alphabet alphabet)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        Alphabet = alphabet;
        images = SpokenImage.Of(alphabet);
        space = alphabet.Space;
        if (alphabet.Labels.Skip(1).All(text => text.Length == 1))
            plain = SearchValues.Create([.. alphabet.Labels.Skip(1).Where(text => char.IsAscii(text[0])).Select(text => (byte)text[0])]);
    }

    /// <summary>What can be written.</summary>
    public Alphabet Alphabet { get; }

    /// <summary>Whether a text is all ASCII and normalised as it stands, each byte a label: known in a fraction of the time that normalising takes, of nearly all texts of a clean corpus.</summary>
    /// <param name="utf8">Any text; true for an empty one.</param>
    public bool IsPlain(ReadOnlySpan<byte> utf8) =>
        plain is not null && !utf8.ContainsAnyExcept(plain) && (utf8.IsEmpty || (utf8[0] != ' ' && utf8[^1] != ' ' && utf8.IndexOf("  "u8) < 0));

    /// <summary>Normalises a text. Beside the string returned some 100 bytes are allocated, unless there is something to report.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="report">Told of each character that has an image or that the alphabet cannot write; null for nobody.</param>
    /// <param name="textPath">For the report: the file that the text is from.</param>
    /// <param name="line">For the report: the manifest's line that names the file.</param>
    public string Normalize(ReadOnlySpan<char> text, TextReport? report = null, string textPath = "", int line = 0)
    {
        char[] written = ArrayPool<char>.Shared.Rent(text.Length), folded = ArrayPool<char>.Shared.Rent(text.Length);
        var output = new Output(text.Length);
        try
        {
            text.CopyTo(written);
            int length = CanonicalText.IsPlain(text) ? text.Length : CanonicalText.Compose(written.AsSpan(0, text.Length), Alphabet.Case);
            Alphabet.Fold(written.AsSpan(0, length), folded);
            Write(written.AsSpan(0, length), folded.AsSpan(0, length), ref output, report, textPath, line);
            return output.ToString();
        }
        finally
        {
            output.Dispose();
            ArrayPool<char>.Shared.Return(written);
            ArrayPool<char>.Shared.Return(folded);
        }
    }

    /// <summary>The labels of a normalised text. What the alphabet cannot write is left out, with the space that a word so lost leaves behind.</summary>
    /// <param name="normalized">A text as <see cref="Normalize"/> returns it.</param>
    /// <param name="labels">Gets them; as long as the text is enough.</param>
    /// <returns>How many there are.</returns>
    /// <exception cref="ArgumentException">There is no room for them.</exception>
    public int Encode(ReadOnlySpan<char> normalized, Span<int> labels)
    {
        int count = 0;
        for (int i = 0; i < normalized.Length;)
        {
            int length = Alphabet.Match(normalized[i..], out int label);
            i += Math.Max(length, 1);
            if (length == 0 || (label == space && (count == 0 || labels[count - 1] == space)))
                continue;
            if (count == labels.Length)
                throw new ArgumentException($"room for {labels.Length} labels is too little for the text", nameof(labels));
            labels[count++] = label;
        }
        return count > 0 && labels[count - 1] == space ? count - 1 : count;
    }

    /// <summary>The labels of a normalised text, as above.</summary>
    /// <param name="normalized">A text as <see cref="Normalize"/> returns it.</param>
    public int[] Encode(string normalized)
    {
        ArgumentNullException.ThrowIfNull(normalized);
        var labels = new int[normalized.Length];
        return labels.AsSpan(0, Encode(normalized, labels)).ToArray();
    }

    private void Write(ReadOnlySpan<char> written, ReadOnlySpan<char> folded, ref Output output, TextReport? report, string textPath, int line)
    {
        for (int i = 0; i < folded.Length;)
        {
            int length = 1;
            if (char.IsWhiteSpace(folded[i]))
            {
                output.EndWord();
            }
            else if (Alphabet.Match(folded[i..], out _) is > 0 and var matched)
            {
                // All of a word that follows, at once.
                for (length = 0; matched > 0;)
                {
                    length += matched;
                    matched = i + length < folded.Length && !char.IsWhiteSpace(folded[i + length]) ? Alphabet.Match(folded[(i + length)..], out _) : 0;
                }
                output.Append(folded.Slice(i, length));
            }
            else if (images.TryGetValue(written[i], out string? image))
            {
                report?.Mapped(new Rune(written[i]), image, textPath, line);
                if (image == " ")
                    output.EndWord();
                else if (image.Length > 0)
                    output.Append(image);
                else if (SpokenImage.Separates(written[i]) || (written[i] == '.' && i > 0 && written[i - 1] == '.'))
                    output.Separate();
            }
            else
            {
                Rune.DecodeFromUtf16(written[i..], out Rune foreign, out length);
                report?.Foreign(foreign, textPath, line);
                output.Append(folded.Slice(i, length));
            }
            i += length;
        }
    }

    /// <summary>A text under way, in pooled memory.</summary>
    private ref struct Output(int length)
    {
        private char[] text = ArrayPool<char>.Shared.Rent(length + 16);
        private int count;
        private bool wordEnded, separated;

        /// <summary>White space, or what is read as such.</summary>
        public void EndWord() => wordEnded = true;

        /// <summary>A mark that ends a word where letters stand on both sides: in 'yes,no', not in '1,000'.</summary>
        public void Separate() => separated = true;

        public void Append(ReadOnlySpan<char> characters)
        {
            if (count + characters.Length + 1 > text.Length)
                Grow(characters.Length + 1);
            if (count > 0 && (wordEnded || (separated && char.IsLetter(text[count - 1]) && char.IsLetter(characters[0]))))
                text[count++] = ' ';
            (wordEnded, separated) = (false, false);
            characters.CopyTo(text.AsSpan(count));
            count += characters.Length;
        }

        public override readonly string ToString() => new(text, 0, count);

        public readonly void Dispose() => ArrayPool<char>.Shared.Return(text);

        private void Grow(int more)
        {
            char[] larger = ArrayPool<char>.Shared.Rent(Math.Max(2 * text.Length, count + more));
            text.AsSpan(0, count).CopyTo(larger);
            ArrayPool<char>.Shared.Return(text);
            text = larger;
        }
    }
}
