using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Writes ARPA files.</summary>
internal static class ArpaWriter
{
    /// <summary>Writes a model.</summary>
    /// <param name="model">What to write.</param>
    /// <param name="stream">Where to; not closed.</param>
    /// <param name="compress">Whether with gzip.</param>
    /// <param name="progress">Hears how far it is.</param>
    public static void Write(NGramModel model, Stream stream, bool compress, IWorkProgress progress)
    {
        using IWorkItem work = progress.Begin("writing n-grams", model.Orders.Sum(list => (long)list.Count), WorkUnit.Items);
        using Stream? gzip = compress ? new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true) : null;
        using var writer = new StreamWriter(gzip ?? stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 1 << 16, leaveOpen: true) { NewLine = "\n" };
        writer.WriteLine("\\data\\");
        foreach (NGramList list in model.Orders)
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ngram {list.Order}={list.Count}"));
        string[] words = [.. Enumerable.Range(0, model.Words.Count).Select(model.Words.Text)];
        foreach (NGramList list in model.Orders)
        {
            writer.WriteLine();
            writer.WriteLine($"\\{list.Order}-grams:");
            WriteList(list, words, writer, list.Order < model.Orders.Length, work);
        }
        writer.WriteLine();
        writer.WriteLine("\\end\\");
    }

    private static void WriteList(NGramList list, string[] words, StreamWriter writer, bool withBackOffs, IWorkItem work)
    {
        Span<int> ngram = stackalloc int[list.Order];
        Span<char> number = stackalloc char[32];
        for (int i = 0; i < list.Count; i++)
        {
            list.CopyTo(i, ngram);
            WriteNumber(list.Probabilities[i], number, writer);
            for (int k = 0; k < ngram.Length; k++)
            {
                writer.Write(k == 0 ? '\t' : ' ');
                writer.Write(words[ngram[k]]);
            }
            if (withBackOffs)
            {
                writer.Write('\t');
                WriteNumber(list.BackOffs[i], number, writer);
            }
            writer.Write('\n');
            if (i % 65536 == 65535)
                work.Advance(65536);
        }
    }

    private static void WriteNumber(float value, Span<char> buffer, StreamWriter writer)
    {
        // The shortest that reads back as the same number. Negative zero would be read as zero, and means nothing in this format.
        if (!(value == 0 ? 0 : value).TryFormat(buffer, out int length, default, CultureInfo.InvariantCulture))
            throw new InvalidOperationException("a number is longer than numbers are");
        writer.Write(buffer[..length]);
    }
}
