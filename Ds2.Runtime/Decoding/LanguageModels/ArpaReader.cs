using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Reads ARPA files, as text or compressed with gzip.</summary>
/// <remarks>docs/language-models.md lists what is accepted of the ways in which KenLM, IRSTLM and SRILM write them.</remarks>
internal sealed class ArpaReader
{
    /// <summary>What stands for the logarithm of 0, as in SRILM.</summary>
    public const float LogZero = -99;

    private readonly string path;
    private readonly LineReader lines;
    private readonly WordTable words = new();

    private ArpaReader(string path, LineReader lines)
    {
        this.path = path;
        this.lines = lines;
    }

    /// <summary>Reads a model.</summary>
    /// <param name="path">The file.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">It cannot be read, or a line is wrong: the file and the line are named.</exception>
    public static NGramModel Read(string path, IWorkProgress progress)
    {
        using var stream = new PeekStream(InputFile.Open(path));
        return Read(path, stream, progress);
    }

    /// <summary>The same of a file that is open.</summary>
    public static NGramModel Read(string path, PeekStream stream, IWorkProgress progress)
    {
        try
        {
            return TextLines.Read(path, stream, progress, lines => new ArpaReader(path, lines).Read());
        }
        catch (Exception exception) when (exception is OutOfMemoryException)
        {
            throw new InputException($"{path}: the model does not fit into memory", exception);
        }
    }

    private NGramModel Read()
    {
        long[] counts = Counts();
        var orders = new NGramList[counts.Length];
        for (int n = 1; n <= counts.Length; n++)
            orders[n - 1] = Section(n, counts);
        SkipBlank(out ReadOnlySpan<byte> rest);
        if (!rest.SequenceEqual("\\end\\"u8))
            throw Fault($"\\end\\ is expected here, not {Quote(rest)}");
        while (lines.TryRead(out ReadOnlySpan<byte> line))
        {
            if (!Trim(line).IsEmpty)
                throw Fault($"nothing may follow \\end\\, and here stands {Quote(line)}");
        }
        return new NGramModel(words, orders);
    }

    /// <summary>Reads the header: how many n-grams of each order there are.</summary>
    private long[] Counts()
    {
        while (true)
        {
            if (!lines.TryRead(out ReadOnlySpan<byte> line))
                throw new InputException($"{path}: is no ARPA file: it has no line \\data\\");
            line = Trim(line);
            if (line.SequenceEqual("\\data\\"u8))
                break;
            if (lines.Number == 1)
                RefuseOtherFormats(line);
        }
        var counts = new List<long>();
        ReadOnlySpan<byte> text;
        while (true)
        {
            if (!lines.TryRead(out text))
                throw Fault("the file ends within its header");
            text = Trim(text);
            if (text.IsEmpty && counts.Count == 0)
                continue;
            if (text.IsEmpty)
                return [.. counts];

            // IRSTLM writes "ngram  1=       1234".
            int equals = text.IndexOf((byte)'=');
            if (!text.StartsWith("ngram"u8) || equals < 0)
                throw Fault($"\"ngram {counts.Count + 1}=count\" or an empty line is expected here, not {Quote(text)}");
            if (!Whole(text[5..equals], out long order) || !Whole(text[(equals + 1)..], out long count))
                throw Fault($"{Quote(text)} has no number where one is expected");
            if (order != counts.Count + 1)
                throw Fault($"the counts go from 1 upwards; {counts.Count + 1} is expected here, not {order}");
            if (order > NGramModel.MostOrders)
                throw Fault($"models of more than {NGramModel.MostOrders} words an n-gram are not read");
            if (count < 0)
                throw Fault($"{count} n-grams: there cannot be fewer than none");
            if (count > int.MaxValue)
                throw Fault($"{count} n-grams of one order are more than can be held");
            counts.Add(count);
        }
    }

    private void RefuseOtherFormats(ReadOnlySpan<byte> line)
    {
        if (line.StartsWith("mmap lm http://kheafield.com/code"u8))
            throw new InputException($"{path}: is KenLM's binary format; give the ARPA file that it was made from");
        if (line.StartsWith(ModelLayout.Magic))
            throw new InputException($"{path}: is a compiled model already, and an ARPA file is expected here");
        if (line.StartsWith("blmt"u8) || line.StartsWith("Qblmt"u8))
            throw new InputException($"{path}: is IRSTLM's binary format; make an ARPA file of it with compile-lm --text=yes");
        if (line.SequenceEqual("iARPA"u8) || line.StartsWith("iARPA "u8))
            throw new InputException($"{path}: is IRSTLM's iARPA format; make an ARPA file of it with compile-lm --text=yes");
        if (line.Contains((byte)0) || !Utf8.IsValid(line))
            throw new InputException($"{path}: is neither an ARPA file nor a compiled model");
    }

    private NGramList Section(int n, long[] counts)
    {
        SkipBlank(out ReadOnlySpan<byte> line);
        Span<byte> title = [(byte)'\\', (byte)('0' + n), .. "-grams:"u8];
        if (!line.SequenceEqual(title))
            throw Fault($"\\{n}-grams: is expected here, not {Quote(line)}" + (n > 1 ? $"; the header says {counts[n - 2]} {n - 1}-grams" : ""));

        // A header may lie: room is made as n-grams come, but for a first guess.
        var list = new NGramList(n, (int)Math.Min(counts[n - 1], 1 << 16)) { FirstLine = lines.Number + 1 };
        bool highest = n == counts.Length;
        Span<int> ngram = stackalloc int[NGramModel.MostOrders];
        for (long i = 0; i < counts[n - 1]; i++)
        {
            if (!lines.TryRead(out line))
                throw Fault($"the file ends here, after {i} of {counts[n - 1]} {n}-grams");
            if (Trim(line).IsEmpty || line[0] == '\\')
                throw Fault($"the {n}-grams end after {i}, and the header says {counts[n - 1]}");
            Entry(line, ngram[..n], highest, list);
        }
        return list;
    }

    private void Entry(ReadOnlySpan<byte> line, Span<int> ngram, bool highest, NGramList list)
    {
        ReadOnlySpan<byte> rest = line;
        float probability = Number(Field(ref rest), line, "probability");

        // IRSTLM has been seen to write log-probabilities a little above 0.
        probability = Math.Min(0, probability);
        for (int i = 0; i < ngram.Length; i++)
        {
            ReadOnlySpan<byte> word = Field(ref rest);
            if (word.IsEmpty)
                throw Fault($"{Quote(line)} has {i} words where there must be {ngram.Length}");
            ngram[i] = ngram.Length == 1 ? NewWord(word) : words.Find(word);
            if (ngram[i] < 0 && IsUnknown(word))
                ngram[i] = words.Find(NGramModel.Unknown);
            if (ngram[i] < 0)
                throw Fault($"the word {Quote(word)} is not among the 1-grams");
        }
        ReadOnlySpan<byte> last = Field(ref rest);
        float backOff = last.IsEmpty ? 0 : Number(last, line, "back-off");
        if (!Field(ref rest).IsEmpty)
            throw Fault($"{Quote(line)} has more than {ngram.Length} words and two numbers");
        if (highest && backOff != 0)
            throw Fault($"{Quote(line)} has a back-off, and there are no longer n-grams");
        list.Add(ngram, probability, backOff);
    }

    private int NewWord(ReadOnlySpan<byte> word)
    {
        if (!Utf8.IsValid(word))
            throw Fault("is not UTF-8 text");

        // lmplz writes a <UNK> of the text as a word like others, beside its own <unk>.
        if (IsUnknown(word) && words.Find(NGramModel.Unknown) < 0)
            word = NGramModel.Unknown;
        int count = words.Count, index = words.Add(word);
        return index == count ? index : throw Fault($"the 1-gram {Quote(word)} stands here for the second time");
    }

    private static bool IsUnknown(ReadOnlySpan<byte> word) => word.SequenceEqual(NGramModel.Unknown) || word.SequenceEqual("<UNK>"u8);

    private float Number(ReadOnlySpan<byte> text, ReadOnlySpan<byte> line, string what)
    {
        if (Utf8Parser.TryParse(text, out float value, out int used) && used == text.Length && float.IsFinite(value))
            return value;
        return Encoding.Latin1.GetString(text).ToUpperInvariant() is "-INF" or "-INFINITY"
            ? LogZero
            : throw Fault($"{(text.IsEmpty ? "nothing" : Quote(text))} is no log10 {what} in {Quote(line)}");
    }

    private static bool Whole(ReadOnlySpan<byte> text, out long value)
    {
        text = Trim(text);
        return Utf8Parser.TryParse(text, out value, out int used) && used == text.Length;
    }

    /// <summary>The next of the fields that blanks and tabs separate; empty where there is none. Other white space may be part of a word.</summary>
    private static ReadOnlySpan<byte> Field(ref ReadOnlySpan<byte> rest)
    {
        int start = 0;
        while (start < rest.Length && rest[start] is (byte)' ' or (byte)'\t')
            start++;
        int end = start;
        while (end < rest.Length && rest[end] is not ((byte)' ' or (byte)'\t'))
            end++;
        ReadOnlySpan<byte> field = rest[start..end];
        rest = rest[end..];
        return field;
    }

    private void SkipBlank(out ReadOnlySpan<byte> line)
    {
        do
        {
            if (!lines.TryRead(out line))
                throw Fault("the file ends here, without \\end\\");
            line = Trim(line);
        }
        while (line.IsEmpty);
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> line) => line.Trim(" \t\r"u8);

    private InputException Fault(string what) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{path}: line {lines.Number}: {what}{(lines.EndsWithin ? "; the file ends within this line" : "")}"));

    private static string Quote(ReadOnlySpan<byte> text)
    {
        const int most = 80;
        string quoted = Encoding.UTF8.GetString(text[..Math.Min(text.Length, most)]);
        return text.Length > most ? $"\"{quoted}…\"" : $"\"{quoted}\"";
    }
}
