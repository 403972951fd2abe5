using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Ds2.Runtime.Audio;

/// <summary>How long a file should be by its header, of the formats whose samples simply lie there: of such a file that was cut, libsndfile reads what is left and says nothing.</summary>
internal static partial class StoredSize
{
    private const int SphereHeaderBytes = 1024;

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
            : null;
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

    private static long? Field(string header, string name) =>
        SphereFields().Matches(header).FirstOrDefault(field => field.Groups["name"].Value == name) is { } found ? long.Parse(found.Groups["value"].Value, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex(@"^(?<name>\w+) -i (?<value>\d{1,9})\s", RegexOptions.Multiline)]
    private static partial Regex SphereFields();
}
