using System.Text.Unicode;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Text of a sentence a line as numbers, each sentence between <c>&lt;s&gt;</c> and <c>&lt;/s&gt;</c>.</summary>
public sealed class TextTokens
{
    /// <summary>The numbers of the words that every text has.</summary>
    internal const int Unknown = 0, Begin = 1, End = 2;

    /// <summary>What stands for standard input in place of a file's name.</summary>
    internal const string StandardInput = "-";

    private const int Chunk = 1 << 18;

    /// <summary>The text in pieces, all full but the last: an array that grows would be there twice, and a half more.</summary>
    private readonly List<int[]> chunks = [];

    /// <summary>The words before the one that is added, the last first, and how many different n-grams there are, of two words and so on.</summary>
    private readonly int[] before;
    private readonly DistinctCounter[] longer;

    internal TextTokens(int order)
    {
        before = new int[order];
        longer = [.. Enumerable.Range(2, order - 1).Select(_ => new DistinctCounter())];
        Vocabulary.Add(NGramModel.Unknown);
        Vocabulary.Add(NGramModel.Begin);
        Vocabulary.Add(NGramModel.End);
    }

    /// <summary>Lines.</summary>
    public long Sentences { get; private set; }

    /// <summary>Words that are not left out.</summary>
    public long Words => Length - 2 * Sentences;

    /// <summary>The words by number, in the order in which they first appear.</summary>
    internal WordTable Vocabulary { get; } = new();

    /// <summary>How many numbers the text is.</summary>
    internal long Length { get; private set; }

    /// <summary>Words that are none of text, such as <c>&lt;unk&gt;</c>, which were left out.</summary>
    internal long Skipped { get; private set; }

    /// <summary>Called now and then while there is more and more text, to see whether that is still all right; null for nobody.</summary>
    internal Action? Grown { get; set; }

    /// <summary>About how many different n-grams there are of 2 to <paramref name="order"/> words, rather too many than too few.</summary>
    internal IEnumerable<long> Longer(int order) => longer.Take(order - 1).Select(counter => counter.AtMost);

    /// <summary>Hands the text over; nothing of it is left but the words.</summary>
    internal int[] Take()
    {
        var tokens = new int[Length];
        for (int i = 0; i < chunks.Count; i++)
            chunks[i].AsSpan(0, (int)Math.Min(Chunk, Length - (long)i * Chunk)).CopyTo(tokens.AsSpan(i * Chunk));
        chunks.Clear();
        Garbage.Collect(4 * Length);
        return tokens;
    }

    /// <summary>Adds the lines of a text.</summary>
    /// <param name="path">UTF-8, gzip or not; - for standard input. Blanks and tabs separate words. An empty line is a sentence without words.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">It cannot be read or is not UTF-8.</exception>
    internal void Add(string path, IWorkProgress progress) => Read(path, progress, Add);

    /// <summary>Adds a line.</summary>
    /// <param name="line">UTF-8; blanks and tabs separate words.</param>
    internal void Add(ReadOnlySpan<byte> line)
    {
        Sentences++;
        Append(Begin);
        for (ReadOnlySpan<byte> word = Next(ref line); !word.IsEmpty; word = Next(ref line))
        {
            int number = Vocabulary.Add(word);
            if (number > End)
                Append(number);
            else
                Skipped++;
        }
        Append(End);
    }

    /// <summary>Calls back with each line of a text.</summary>
    /// <param name="path">UTF-8, gzip or not; - for standard input.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="each">Takes a line.</param>
    /// <exception cref="InputException">It cannot be read or is not UTF-8.</exception>
    internal static void Read(string path, IWorkProgress progress, LineAction each)
    {
        using var stream = new PeekStream(path == StandardInput ? Console.OpenStandardInput() : InputFile.Open(path));
        TextLines.Read(path, stream, progress, lines =>
        {
            while (lines.TryRead(out ReadOnlySpan<byte> line))
            {
                if (!Utf8.IsValid(line))
                    throw new InputException($"{path}: line {lines.Number}: is not UTF-8 text");
                each(line);
            }
            return true;
        });
    }

    /// <summary>The next word of a line, which loses it; empty at the end. Blanks, tabs, carriage returns and zero bytes separate words, as in lmplz.</summary>
    internal static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> line)
    {
        int start = line.IndexOfAnyExcept(" \t\r\0"u8);
        if (start < 0)
        {
            line = default;
            return default;
        }
        line = line[start..];
        int end = line.IndexOfAny(" \t\r\0"u8);
        ReadOnlySpan<byte> word = end < 0 ? line : line[..end];
        line = line[word.Length..];
        return word;
    }

    private void Append(int token)
    {
        var at = (int)(Length % Chunk);
        if (at == 0)
        {
            if (int.IsPow2(chunks.Count))
                Grown?.Invoke();
            chunks.Add(new int[Chunk]);
        }
        chunks[^1][at] = token;
        Length++;
        if (token != Begin)
        {
            ulong hash = WordHash.Mix((ulong)token + 1);
            for (int i = 0; i < longer.Length; i++)
            {
                hash = WordHash.Mix(hash + (ulong)before[i] + 1);
                longer[i].Add(hash);
                if (before[i] == Begin)
                    break;
            }
        }
        for (int i = before.Length - 1; i > 0; i--)
            before[i] = before[i - 1];
        before[0] = token;
    }

    /// <summary>Takes a line.</summary>
    internal delegate void LineAction(ReadOnlySpan<byte> line);
}
