using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Where everything stands in a compiled model; docs/language-models.md says it byte by byte.</summary>
internal sealed class ModelLayout
{
    /// <summary>Bytes before the words.</summary>
    public const int HeaderBytes = 128;

    /// <summary>What a compiled model begins with.</summary>
    public static ReadOnlySpan<byte> Magic => "DS2NGRAM"u8;

    private const int Version = 1, HashAt = HeaderBytes - 8;
    private readonly long[] levels, tables;

    /// <summary>Computes it.</summary>
    /// <param name="bits">Bits of a probability or back-off in n-grams of two and more words: 8 or 32.</param>
    /// <param name="counts">N-grams of each order.</param>
    /// <param name="wordBytes">Bytes of all words together.</param>
    public ModelLayout(int bits, long[] counts, long wordBytes)
    {
        Bits = bits;
        Counts = counts;
        WordBytes = wordBytes;
        WordBits = BitField.Width(counts[0] - 1);
        Hashes = HeaderBytes;
        WordStarts = Aligned(Hashes + 4 * counts[0]);
        Words = Aligned(WordStarts + 4 * (counts[0] + 1));
        Unigrams = Aligned(Words + wordBytes);
        long end = Unigrams + (counts[0] + 1) * Unigram.Bytes;
        levels = new long[Order + 1];
        tables = new long[Order + 1];
        for (int n = 2; n <= Order; n++)
        {
            if (bits == 8)
            {
                tables[n] = Aligned(end);
                end = tables[n] + (n < Order ? 2 : 1) * 256 * sizeof(float);
            }
            levels[n] = Aligned(end);

            // One record more than there are n-grams ends the last one's children.
            long records = counts[n - 1] + (n < Order ? 1 : 0);
            end = levels[n] + (records * RecordBits(n) + 7) / 8 + BitField.Slack;
        }
        Length = Aligned(end);
    }

    /// <summary>The longest n-gram's words.</summary>
    public int Order => Counts.Length;

    /// <summary>Bits of a probability or back-off.</summary>
    public int Bits { get; }

    /// <summary>N-grams of each order.</summary>
    public long[] Counts { get; }

    /// <summary>Bytes of all words together.</summary>
    public long WordBytes { get; }

    /// <summary>Bits of a word's number.</summary>
    public int WordBits { get; }

    /// <summary>Offset of each word's <see cref="WordHash.Short"/>, ascending from word 1 on.</summary>
    public long Hashes { get; }

    /// <summary>Offset of where each word starts in <see cref="Words"/>, and where the last one ends.</summary>
    public long WordStarts { get; }

    /// <summary>Offset of the words in UTF-8.</summary>
    public long Words { get; }

    /// <summary>Offset of the <see cref="Unigram"/>s.</summary>
    public long Unigrams { get; }

    /// <summary>Bytes of the whole.</summary>
    public long Length { get; }

    /// <summary>Offset of the records of n-grams of <paramref name="n"/> words.</summary>
    public long Level(int n) => levels[n];

    /// <summary>Offset of the 256 values of a probability's code, and of the 256 of a back-off's.</summary>
    public long Table(int n) => tables[n];

    /// <summary>Bits that say where an n-gram's longer ones start.</summary>
    public int ChildBits(int n) => n < Order ? BitField.Width(Counts[n]) : 0;

    /// <summary>Bits of a record: the word, the probability, and but for the longest n-grams the back-off and the children's start.</summary>
    public int RecordBits(int n) => WordBits + Bits + (n < Order ? Bits + ChildBits(n) : 0);

    private static long Aligned(long offset) => (offset + 7) / 8 * 8;

    /// <summary>Writes the header.</summary>
    /// <param name="header">Of <see cref="HeaderBytes"/> bytes.</param>
    /// <param name="hasUnknown">Whether the model itself knew an unknown word.</param>
    /// <param name="begin">The number of the word that begins a sentence.</param>
    /// <param name="end">The number of the word that ends one.</param>
    public void Write(Span<byte> header, bool hasUnknown, int begin, int end)
    {
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], Order);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], Bits);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], hasUnknown ? 1 : 0);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], begin);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], end);
        for (int n = 0; n < Order; n++)
            BinaryPrimitives.WriteInt64LittleEndian(header[(32 + 8 * n)..], Counts[n]);
        BinaryPrimitives.WriteInt64LittleEndian(header[80..], WordBytes);
        BinaryPrimitives.WriteInt64LittleEndian(header[88..], Length);
        BinaryPrimitives.WriteUInt64LittleEndian(header[HashAt..], WordHash.Of(header[..HashAt]));
    }

    /// <summary>Reads a header.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="header">Of <see cref="HeaderBytes"/> bytes, beginning with <see cref="Magic"/>.</param>
    /// <param name="fileLength">The file's size, which must be what the header says.</param>
    /// <param name="hasUnknown">Whether the model itself knew an unknown word.</param>
    /// <param name="begin">The number of the word that begins a sentence.</param>
    /// <param name="end">The number of the word that ends one.</param>
    /// <exception cref="InputException">It is of a later version, damaged, or the file is not as long as it says.</exception>
    public static ModelLayout Read(string path, ReadOnlySpan<byte> header, long fileLength, out bool hasUnknown, out int begin, out int end)
    {
        int version = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
        if (version != Version)
            throw new InputException($"{path}: is a compiled model of version {version}, and {Version} is read; compile it again from its ARPA file");
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[HashAt..]) != WordHash.Of(header[..HashAt]))
            throw new InputException($"{path}: is damaged: its header does not have the checksum that it says");
        long said = BinaryPrimitives.ReadInt64LittleEndian(header[88..]);
        if (said != fileLength)
            throw new InputException($"{path}: is {(said > fileLength ? "truncated" : "too long")}: {fileLength} bytes of {said}");
        int order = BinaryPrimitives.ReadInt32LittleEndian(header[12..]), bits = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        hasUnknown = BinaryPrimitives.ReadInt32LittleEndian(header[20..]) != 0;
        begin = BinaryPrimitives.ReadInt32LittleEndian(header[24..]);
        end = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        var counts = new long[Math.Clamp(order, 1, NGramModel.MostOrders)];
        for (int n = 0; n < counts.Length; n++)
            counts[n] = BinaryPrimitives.ReadInt64LittleEndian(header[(32 + 8 * n)..]);
        long wordBytes = BinaryPrimitives.ReadInt64LittleEndian(header[80..]);

        // Who made the checksum may still have made a header that no writer of ours makes.
        bool sane = order == counts.Length && bits is 8 or 32 && counts.All(count => count is >= 0 and <= int.MaxValue) && wordBytes is >= 0 and <= int.MaxValue
            && begin >= 0 && begin < counts[0] && end >= 0 && end < counts[0];
        ModelLayout? layout = sane ? new ModelLayout(bits, counts, wordBytes) : null;
        return layout?.Length == fileLength ? layout : throw new InputException($"{path}: is damaged: its header contradicts itself");
    }

    /// <summary>A word on its own. Its numbers are never quantised.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    public readonly struct Unigram(float probability, float backOff, uint children)
    {
        /// <summary>Bytes of one.</summary>
        public const int Bytes = 12;

        /// <summary>log10 p.</summary>
        public readonly float Probability = probability;

        /// <summary>log10 of the back-off weight; negative zero where no context ends in it.</summary>
        public readonly float BackOff = backOff;

        /// <summary>Where the n-grams of two words that end in it start; where they end, the next word's start.</summary>
        public readonly uint Children = children;
    }
}
