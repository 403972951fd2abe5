using System.Buffers.Binary;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>A part of a file that is a recording of its own, to be decoded from its own start: recorders of streams, and <c>cat</c>, leave several in one file.</summary>
/// <param name="Offset">Where it begins, in bytes.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="SaysLength">Whether it says itself how many samples there are; else a decoder guesses that from its size.</param>
/// <param name="Samples">Samples of each channel, counted, where it does not say that itself; null where only the decoder can tell.</param>
/// <param name="Correction">Where in it a number is wrong that it says of itself, and the right one, of 4 bytes, the highest first; null for nowhere.</param>
internal readonly record struct SoundPart(long Offset, long Bytes, bool SaysLength = true, long? Samples = null, (long At, uint Number)? Correction = null)
{
    /// <summary>Whether a file that begins so may be of one of these formats.</summary>
    public static bool MayBeIn(ReadOnlySpan<byte> start) => start.StartsWith("fLaC"u8) || start.StartsWith("OggS"u8) || start.StartsWith("ID3"u8) || start.StartsWith((byte)0xFF);

    /// <summary>Finds the parts of the formats that are joined without further ado, MPEG audio (MP3), Ogg and FLAC, and looks whether they are whole.</summary>
    /// <remarks>Decoders pass over what is damaged, end with the first part, and take an MP3 without a table of its frames to be as long as its first frame makes it seem.</remarks>
    /// <returns>One part or more; none where the file is of another format, or a single FLAC recording.</returns>
    /// <exception cref="InputException">The file cannot be read, or is damaged.</exception>
    public static IReadOnlyList<SoundPart> Find(string path)
    {
        using FileStream file = InputFile.Open(path);
        return InputFile.Guard<IReadOnlyList<SoundPart>>(path, () => FlacStreams.TryFindParts(file, path) ?? OggPages.TryFindParts(file, path) ?? MpegFrames.TryFindParts(file, path) ?? []);
    }

    /// <summary>What every reader says of sound that is not all there.</summary>
    public static InputException Damaged(string path, string how) => new($"{path}: damaged or truncated: {how}");

    /// <summary>As above, where samples were decoded before it showed.</summary>
    public static InputException Damaged(string path, double seconds, double? of = null) =>
        Damaged(path, $"{seconds:F1}{(of is { } all ? $" of {all:F1}" : "")} s could be decoded");

    /// <summary>Where a tag of ID3, APE or Lyrics3 that begins here ends, or a fill of zeros that reaches to the end of the file; null where there is none.</summary>
    internal static long? EndOfTag(FileStream file, long at)
    {
        Span<byte> head = stackalloc byte[32];
        head.Clear();
        file.Position = at;
        int count = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        head = head[..count];
        if (count >= 10 && head.StartsWith("ID3"u8))
            return Math.Min(file.Length, at + 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + ((head[5] & 0x10) != 0 ? 10 : 0));
        if (head.StartsWith("TAG"u8))
            return Math.Min(file.Length, at + (head.StartsWith("TAG+"u8) ? 227 : 128));
        if (count == 32 && head.StartsWith("APETAGEX"u8))
        {
            // The size counts items and footer; where the header is there it comes first.
            bool isHeader = (head[23] & 0x20) != 0;
            return Math.Min(file.Length, at + 32 + (isHeader ? BinaryPrimitives.ReadUInt32LittleEndian(head[12..]) : 0));
        }
        if (head.StartsWith("LYRICSBEGIN"u8))
            return file.Length;
        return count > 0 && !head.ContainsAnyExcept((byte)0) && IsZeroToTheEnd(file) ? file.Length : null;
    }

    private static bool IsZeroToTheEnd(FileStream file)
    {
        Span<byte> block = stackalloc byte[4096];
        for (int count; (count = file.Read(block)) > 0;)
        {
            if (block[..count].ContainsAnyExcept((byte)0))
                return false;
        }
        return true;
    }
}
