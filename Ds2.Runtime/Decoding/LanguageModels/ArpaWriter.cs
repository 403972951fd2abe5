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
        if (compress)
        {
            using var gzip = new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true);
            Write(model, gzip, compress: false, progress);
            return;
        }
        using IWorkItem work = progress.Begin("writing n-grams", model.Orders.Sum(list => (long)list.Count), WorkUnit.Items);
        var output = new BufferedStream(stream, 1 << 16);
        string counts = string.Concat(model.Orders.Select(list => string.Create(CultureInfo.InvariantCulture, $"ngram {list.Order}={list.Count}\n")));
        output.Write(Encoding.ASCII.GetBytes($"\\data\\\n{counts}"));
        foreach (NGramList list in model.Orders)
        {
            output.Write(Encoding.ASCII.GetBytes($"\n\\{list.Order}-grams:\n"));
            WriteList(list, model.Words, output, list.Order < model.Orders.Length, work);
        }
        output.Write("\n\\end\\\n"u8);
        output.Flush();
    }

    private static void WriteList(NGramList list, WordTable words, BufferedStream output, bool withBackOffs, IWorkItem work)
    {
        Span<int> ngram = stackalloc int[list.Order];
        var tally = new Tally(work);
        for (int i = 0; i < list.Count; i++)
        {
            list.CopyTo(i, ngram);
            WriteNumber(list.Probabilities[i], output);
            for (int k = 0; k < ngram.Length; k++)
            {
                output.WriteByte(k == 0 ? (byte)'\t' : (byte)' ');
                output.Write(words[ngram[k]]);
            }
            if (withBackOffs)
            {
                output.WriteByte((byte)'\t');
                WriteNumber(list.BackOffs[i], output);
            }
            output.WriteByte((byte)'\n');
            tally.Add();
        }
        tally.Tell();
    }

    private static void WriteNumber(float value, BufferedStream output)
    {
        // The shortest that reads back as the same number. Negative zero would be read as zero, and means nothing in this format.
        Span<byte> text = stackalloc byte[32];
        if (!(value == 0 ? 0 : value).TryFormat(text, out int length, default, CultureInfo.InvariantCulture))
            throw new InvalidOperationException("a number is longer than numbers are");
        output.Write(text[..length]);
    }
}
