using System.IO.Compression;
using System.Text.Unicode;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Text of a sentence a line as numbers, each sentence between <c>&lt;s&gt;</c> and <c>&lt;/s&gt;</c>.</summary>
internal sealed class TextTokens
{
    /// <summary>The numbers of the words that every text has.</summary>
    public const int Unknown = 0, Begin = 1, End = 2;

    private int[] tokens;
    private int length;

    private TextTokens(int capacity)
    {
        Words.Add(NGramModel.Unknown);
        Words.Add(NGramModel.Begin);
        Words.Add(NGramModel.End);
        tokens = new int[capacity];
    }

    /// <summary>The words by number, in the order in which they first appear.</summary>
    public WordTable Words { get; } = new();

    /// <summary>The text.</summary>
    public ReadOnlySpan<int> Tokens => tokens.AsSpan(0, length);

    /// <summary>Words that are none of text, such as <c>&lt;unk&gt;</c>, which were left out.</summary>
    public long Skipped { get; private set; }

    /// <summary>Sentences and words of text files, without holding them.</summary>
    /// <exception cref="InputException">A file cannot be read.</exception>
    public static (long Sentences, long Words) Count(IEnumerable<string> paths)
    {
        long sentences = 0, words = 0;
        foreach (string path in paths)
        {
            Read(path, line =>
            {
                sentences++;
                while (!Next(ref line).IsEmpty)
                    words++;
            });
        }
        return (sentences, words);
    }

    /// <summary>Reads text files.</summary>
    /// <param name="paths">UTF-8, gzip or not; blanks and tabs separate words. An empty line is a sentence without words.</param>
    /// <param name="sentences">How many they have.</param>
    /// <param name="words">And words.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <exception cref="InputException">A file cannot be read or is not UTF-8.</exception>
    public static TextTokens Read(IEnumerable<string> paths, long sentences, long words, IWorkProgress progress)
    {
        var text = new TextTokens(checked((int)(words + 2 * sentences)));
        using IWorkItem work = progress.Begin("reading sentences", sentences, WorkUnit.Items);
        foreach (string path in paths)
        {
            int number = 0;
            Read(path, line =>
            {
                number++;
                if (!Utf8.IsValid(line))
                    throw new InputException($"{path}: line {number}: is not UTF-8 text");
                text.Append(line);
                if (number % 1024 == 0)
                    work.Advance(1024);
            });
        }
        return text;
    }

    /// <summary>Calls back with each line.</summary>
    /// <exception cref="InputException">The file cannot be read.</exception>
    public static void Read(string path, LineAction each)
    {
        try
        {
            InputFile.Guard(path, () =>
            {
                using FileStream file = InputFile.Open(path);
                bool compressed = file.ReadByte() == 0x1F && file.ReadByte() == 0x8B;
                file.Position = 0;
                using Stream stream = compressed ? new GZipStream(file, CompressionMode.Decompress) : file;
                var lines = new LineReader(stream);
                while (lines.TryRead(out ReadOnlySpan<byte> line))
                    each(line);
                return true;
            });
        }
        catch (InvalidDataException exception)
        {
            throw new InputException($"{path}: is no whole gzip file: {exception.Message}", exception);
        }
    }

    /// <summary>The next word of a line, which loses it; empty at the end. Blanks, tabs, carriage returns and zero bytes separate words, as in lmplz.</summary>
    public static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> line)
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

    private void Append(ReadOnlySpan<byte> line)
    {
        Append(Begin);
        for (ReadOnlySpan<byte> word = Next(ref line); !word.IsEmpty; word = Next(ref line))
        {
            int number = Words.Add(word);
            if (number > End)
                Append(number);
            else
                Skipped++;
        }
        Append(End);
    }

    private void Append(int token)
    {
        // Room was made for what was counted; a file may have grown since.
        if (length == tokens.Length)
            Array.Resize(ref tokens, checked((int)Math.Min(Array.MaxLength, 2L * length + 2)));
        tokens[length++] = token;
    }

    /// <summary>Takes a line.</summary>
    public delegate void LineAction(ReadOnlySpan<byte> line);
}
