using System.Buffers.Binary;

namespace Ds2.Runtime.Audio;

/// <summary>The frames of MPEG audio, layers 1 to 3 (MP3): each begins with 4 bytes that say how long it is, and there is nothing around them.</summary>
/// <remarks>
/// The first frame of an MP3 may hold no sound but a table, "Xing" or "Info" (of LAME, ffmpeg and most others) or "VBRI" (of Fraunhofer), with the number of frames. Without it a decoder
/// takes the file's size over the first frame's for that, which for a variable bit rate is a lottery.
/// </remarks>
internal static class MpegFrames
{
    /// <summary>How far into a file the first frame may begin.</summary>
    private const int MostBytesBefore = 64 * 1024;

    /// <summary>Frames that must follow one another for a beginning: two bytes look like one by chance.</summary>
    private const int FramesOfABeginning = 3;

    /// <summary>kbit/s by layer (of MPEG 2 and 2.5, layers 2 and 3 have the same) and the header's 4 bits; 0 for those that say no size.</summary>
    private static readonly int[][] Bitrates =
    [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
    ];

    /// <summary>The recordings that follow one another; null where the file does not begin as MPEG audio does.</summary>
    /// <exception cref="InputException">Between two frames is something else, or the last one or more are missing.</exception>
    public static IReadOnlyList<SoundPart>? TryFindParts(FileStream file, string path)
    {
        if (FindStart(file) is not { } at)
            return null;
        long length = file.Length; // each look at it is a system call
        var parts = new List<SoundPart>();
        OpenPart? open = null;
        double seconds = 0;
        while (at < length)
        {
            if (ReadFrame(file, at) is not { } frame)
            {
                // Behind the last frame of a table it is something that nobody hears.
                at = SoundPart.EndOfTag(file, at) ?? (open is { IsFull: true } ? FindBeginning(file, at) ?? length
                    : throw SoundPart.Damaged(path, $"after {seconds:F1} s, no frame of MPEG audio begins at byte {at} of {length}"));
                continue;
            }
            if (at + frame.Bytes > length)
                throw SoundPart.Damaged(path, $"after {seconds:F1} s, the last frame of MPEG audio, at byte {at} of {length}, is not whole");
            Table table = ReadTable(file, at, frame);
            if (open is null || open.IsFull && !IsAlone(file, at, frame) || table.Kind != TableKind.None || !frame.IsLike(open.First))
            {
                open?.Close(parts, path);
                open = new OpenPart(at, frame, table);
            }
            if (table.Kind != TableKind.Xing)
            {
                open.Frames++;
                seconds += frame.Seconds;
            }
            open.End = at += frame.Bytes;
        }
        open?.Close(parts, path);
        return parts;
    }

    /// <summary>Whether MPEG audio begins here: two frames, one right after the other.</summary>
    public static bool Begins(ReadOnlySpan<byte> bytes) =>
        Frame.TryParse(bytes) is { } first && first.Bytes < bytes.Length && Frame.TryParse(bytes[first.Bytes..]) is { } second && second.IsLike(first);

    private static long? FindStart(FileStream file)
    {
        long at = 0;
        while (at < file.Length && StartsWithTag(file, at) && SoundPart.EndOfTag(file, at) is { } end)
            at = end;
        // What begins with neither a tag nor a frame is of another format.
        return at > 0 ? FindBeginning(file, at) : IsBeginning(file, 0) ? 0 : null;
    }

    private static long? FindBeginning(FileStream file, long from)
    {
        long last = Math.Min(file.Length - 4, from + MostBytesBefore);
        for (long at = from; at <= last; at++)
        {
            if (IsBeginning(file, at))
                return at;
        }
        return null;
    }

    private static bool StartsWithTag(FileStream file, long at)
    {
        Span<byte> head = stackalloc byte[3];
        file.Position = at;
        return file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length && head.SequenceEqual("ID3"u8);
    }

    private static bool IsBeginning(FileStream file, long at)
    {
        if (ReadFrame(file, at) is not { } first)
            return false;
        long next = at + first.Bytes;
        for (int i = 1; i < FramesOfABeginning && next < file.Length; i++)
        {
            if (ReadFrame(file, next) is { } frame && frame.IsLike(first))
                next += frame.Bytes;
            else
                return i > 1 && SoundPart.EndOfTag(file, next) is not null;
        }
        return true;
    }

    /// <summary>Whether no frame like this one follows it. Alone it is no recording, as a frame needs those before it, but one that the table did not count.</summary>
    private static bool IsAlone(FileStream file, long at, Frame frame) =>
        ReadFrame(file, at + frame.Bytes) is not { } next || !next.IsLike(frame)
        || at + frame.Bytes + next.Bytes <= file.Length && ReadTable(file, at + frame.Bytes, next).Kind != TableKind.None;

    private static Frame? ReadFrame(FileStream file, long at)
    {
        Span<byte> head = stackalloc byte[4];
        file.Position = at;
        return file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length ? Frame.TryParse(head) : null;
    }

    private static Table ReadTable(FileStream file, long at, Frame frame)
    {
        if (frame.Layer != 3 || frame.Bytes < 36 + 18)
            return default;
        Span<byte> start = stackalloc byte[36 + 18];
        file.Position = at;
        file.ReadExactly(start);
        // After the header and what says how the sound is laid out; a checksum of 2 bytes is not counted by all.
        int place = 4 + (frame.IsVersion1, frame.IsMono) switch { (true, false) => 32, (false, true) => 9, _ => 17 };
        foreach (int offset in (ReadOnlySpan<int>)[place, place + 2])
        {
            ReadOnlySpan<byte> found = start[offset..];
            if (found.StartsWith("Xing"u8) || found.StartsWith("Info"u8))
                return new Table(TableKind.Xing, (found[7] & 1) != 0 ? BinaryPrimitives.ReadUInt32BigEndian(found[8..]) : 0, offset + 8);
        }
        return start[36..].StartsWith("VBRI"u8) ? new Table(TableKind.Vbri, 0) : default;
    }

    private enum TableKind
    {
        None,

        /// <summary>Decoders leave its frame out.</summary>
        Xing,

        /// <summary>Not every decoder knows it: some take its frame for one of silence.</summary>
        Vbri,
    }

    /// <param name="Kind">Of which make.</param>
    /// <param name="Frames">The number of frames that it says; 0 where it says none.</param>
    /// <param name="Place">Where in its frame that number stands.</param>
    private readonly record struct Table(TableKind Kind, uint Frames, int Place = 0);

    private sealed class OpenPart(long start, Frame first, Table table)
    {
        public long Frames, End;

        public Frame First => first;

        /// <summary>Whether all frames of its table are there: what follows is another recording.</summary>
        public bool IsFull => table.Frames > 0 && Frames >= table.Frames;

        public void Close(List<SoundPart> parts, string path)
        {
            if (Frames == 0)
                return;
            // Some count the table's own frame too.
            if (Frames + 1 < table.Frames)
                throw SoundPart.Damaged(path, Frames * first.Seconds, table.Frames * first.Seconds);
            bool isCounted = table is { Frames: 0, Kind: not TableKind.Vbri };
            parts.Add(new SoundPart(start, End - start, IsFull, isCounted ? Frames * first.Samples : null, IsFull && Frames > table.Frames ? (table.Place, (uint)Frames) : null));
        }
    }

    private readonly record struct Frame(int Bytes, int Samples, int Rate, int Layer, bool IsVersion1, bool IsMono)
    {
        public double Seconds => (double)Samples / Rate;

        public bool IsLike(Frame other) => (Samples, Rate, Layer, IsVersion1, IsMono) == (other.Samples, other.Rate, other.Layer, other.IsVersion1, other.IsMono);

        /// <summary>Reads a frame's header; null where it is none, or of a bit rate that no size follows from.</summary>
        public static Frame? TryParse(ReadOnlySpan<byte> head)
        {
            if (head.Length < 4 || head[0] != 0xFF || head[1] < 0xE0)
                return null;
            int version = head[1] >> 3 & 3, layer = 4 - (head[1] >> 1 & 3), rateIndex = head[2] >> 2 & 3, padding = head[2] >> 1 & 1;
            if (version == 1 || layer == 4 || rateIndex == 3)
                return null;
            bool isVersion1 = version == 3;
            int bitrate = 1000 * Bitrates[isVersion1 ? layer - 1 : layer == 1 ? 3 : 4][head[2] >> 4];
            int rate = (rateIndex switch { 0 => 44100, 1 => 48000, _ => 32000 }) >> (version switch { 3 => 0, 2 => 1, _ => 2 });
            if (bitrate == 0)
                return null;
            int samples = layer == 1 ? 384 : layer == 3 && !isVersion1 ? 576 : 1152;
            int bytes = layer == 1 ? 4 * (12 * bitrate / rate + padding) : samples / 8 * bitrate / rate + padding;
            return new Frame(bytes, samples, rate, layer, isVersion1, head[3] >> 6 == 3);
        }
    }
}
