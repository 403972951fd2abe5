using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Ds2.Runtime.Audio;

/// <summary>How long a file should be by its header, of the formats whose samples simply lie there: of such a file that was cut, libsndfile reads what is left and says nothing.</summary>
internal static partial class StoredSize
{
    private const int SphereHeaderBytes = 1024, CafHeaderBytes = 8;

    /// <summary>sox counts eight bytes too few into a VOC file's block, and a kind of 0 ends the blocks: where no more than these are left, there is no further block.</summary>
    private const int VocRest = 9;

    /// <summary>The bytes of the whole file; null where the header does not say it, or the format is none of these.</summary>
    public static long? SaidBy(Stream file)
    {
        Span<byte> head = stackalloc byte[32];
        file.Position = 0;
        if (file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length)
            return null;
        Span<byte> magic = head[..4];
        return magic.SequenceEqual("FORM"u8) || magic.SequenceEqual("RIFX"u8) ? Known(8, BinaryPrimitives.ReadUInt32BigEndian(head[4..]))
            : magic.SequenceEqual(".snd"u8) ? Known(BinaryPrimitives.ReadUInt32BigEndian(head[4..]), BinaryPrimitives.ReadUInt32BigEndian(head[8..]))
            : magic.SequenceEqual("dns."u8) ? Known(BinaryPrimitives.ReadUInt32LittleEndian(head[4..]), BinaryPrimitives.ReadUInt32LittleEndian(head[8..]))
            : magic.SequenceEqual("RF64"u8) && head[12..16].SequenceEqual("ds64"u8) ? Known(8, BinaryPrimitives.ReadInt64LittleEndian(head[20..]))
            : magic.SequenceEqual("riff"u8) ? Known(0, BinaryPrimitives.ReadInt64LittleEndian(head[16..]))
            : magic.SequenceEqual("NIST"u8) ? OfSphere(file)
            : magic.SequenceEqual("Crea"u8) ? OfVoc(file, BinaryPrimitives.ReadUInt16LittleEndian(head[20..]))
            : magic.SequenceEqual("caff"u8) ? OfCaf(file, out _)
            : null;
    }

    /// <summary>Whether a file is a CAF that was written to a pipe, whose samples go to its end: libsndfile takes it for malformed.</summary>
    public static bool IsToTheEnd(Stream file)
    {
        Span<byte> magic = stackalloc byte[4];
        file.Position = 0;
        bool isToTheEnd = false;
        if (file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("caff"u8))
            OfCaf(file, out isToTheEnd);
        return isToTheEnd;
    }

    /// <summary>What writes to a pipe leaves 0 there, or one of the largest numbers.</summary>
    private static long? Known(long header, long size) => size is <= 0 or (>= WavReader.UnknownSize and <= uint.MaxValue) or >= long.MaxValue / 2 ? null : header + size;

    private static long? OfSphere(Stream file)
    {
        var bytes = new byte[SphereHeaderBytes];
        file.Position = 0;
        string header = Encoding.Latin1.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
        bool isCompressed = header.Contains("embedded-", StringComparison.Ordinal);
        return isCompressed ? null : SphereHeaderBytes + Field(header, "sample_count") * Field(header, "sample_n_bytes") * Field(header, "channel_count");
    }

    /// <summary>Blocks of a kind, a length of three bytes, and so many bytes. Of a length that came to more than fits there, what follows is no block, or hardly ever.</summary>
    private static long? OfVoc(Stream file, long position)
    {
        Span<byte> block = stackalloc byte[4];
        while (position + VocRest < file.Length)
        {
            file.Position = position;
            if (file.ReadAtLeast(block, block.Length, throwOnEndOfStream: false) < block.Length)
                return null;
            int size = block[1] | block[2] << 8 | block[3] << 16;
            if (block[0] == 0)
                return position + 1;
            // Sound and more of it, silence, a marker, text, the beginning and end of a repetition, the older and the newer header.
            if ((block[0], size) is not ((1 or 2 or 9, > 0) or (3, 3) or (4 or 6, 2) or (5, _) or (7, 0) or (8, 4)))
                return null;
            position += block.Length + size;
        }
        return position;
    }

    /// <summary>Chunks of a name, a length of eight bytes, and so many bytes; a length of -1 says of the samples that they go to the end.</summary>
    private static long? OfCaf(Stream file, out bool isToTheEnd)
    {
        isToTheEnd = false;
        Span<byte> chunk = stackalloc byte[12];
        long position = CafHeaderBytes;
        while (position + chunk.Length <= file.Length)
        {
            file.Position = position;
            if (file.ReadAtLeast(chunk, chunk.Length, throwOnEndOfStream: false) < chunk.Length)
                return null;
            long size = BinaryPrimitives.ReadInt64BigEndian(chunk[4..]);
            isToTheEnd = size == -1 && chunk[..4].SequenceEqual("data"u8);
            if (size is < 0 or >= long.MaxValue / 2 || chunk[..4].ContainsAnyExceptInRange((byte)' ', (byte)'~'))
                return null;
            position += chunk.Length + size;
        }
        return position;
    }

    private static long? Field(string header, string name) =>
        SphereFields().Matches(header).FirstOrDefault(field => field.Groups["name"].Value == name) is { } found ? long.Parse(found.Groups["value"].Value, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex(@"^(?<name>\w+) -i (?<value>\d{1,9})\s", RegexOptions.Multiline)]
    private static partial Regex SphereFields();
}
