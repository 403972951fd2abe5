using System.Buffers;
using System.Buffers.Binary;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>Reads RIFF/WAVE files: PCM of up to 32 bits, floats of 32 and 64 bits, mu-law and A-law; plain or WAVE_FORMAT_EXTENSIBLE; any rate, any channel count.</summary>
/// <remarks>
/// PCM samples of 12, 20 or 24 bits may lie in containers of more bytes, at their upper end, as the format has it. (libsndfile takes 24 bits for three bytes even where a frame has four.)
/// A data chunk's size is not always true: programs that write to a pipe leave 0 there, or a number of two gigabytes and more, and the data go on to the end; a size that goes beyond the end by no
/// more than a header's length was counted wrongly. A file that lacks more than that was cut, and is refused.
/// </remarks>
public static class WavReader
{
    private const ushort Pcm = 1, Float = 3, ALaw = 6, MuLaw = 7, Extensible = 0xFFFE;

    /// <summary>Sizes from here on stand for "not known": SoX leaves 0x7FFFF000 less the header, ffmpeg 0xFFFFFFFF, others 0x7FFFFFFF or 0x80000000.</summary>
    internal const uint UnknownSize = 0x7FFF_0000;

    /// <summary>Bytes that a size may be too large by: those of a header that was counted in.</summary>
    private const int HeaderBytes = 44;

    /// <summary>A chunk's name and size.</summary>
    internal const int ChunkHeadBytes = 8;

    /// <summary>Reads a whole file at its own rate, its channels mixed to one by their mean.</summary>
    /// <param name="path">A WAV file.</param>
    /// <exception cref="InputException">The file is missing, truncated, or in an encoding that is not listed above.</exception>
    public static AudioClip Read(string path) =>
        TryRead(path) ?? throw new InputException($"{path}: not a WAV file, or one of an encoding that Ds2 does not read itself");

    /// <summary>Reads a file as above; null where it is no WAV file, or of an encoding that is left to libsndfile: ADPCM, GSM and the like.</summary>
    internal static AudioClip? TryRead(string path)
    {
        using FileStream file = InputFile.Open(path);
        return InputFile.Guard<AudioClip?>(path, () =>
        {
            if (TryReadHeader(file, path) is not { Encoding: not WavEncoding.Foreign } header)
                return null;
            if (header.Frames > Array.MaxLength)
                throw new InputException($"{path}: {header.Frames} samples a channel are more than fit into memory at once");
            file.Position = header.DataOffset;
            return new AudioClip(ReadSamples(file, header, path), header.SampleRate);
        });
    }

    /// <summary>Reads the header from the start of a file; null where it is no WAV file's.</summary>
    /// <exception cref="InputException">The file is empty, or its header is damaged or says what cannot be.</exception>
    internal static WavHeader? TryReadHeader(Stream file, string path) => InputFile.Guard<WavHeader?>(path, () =>
    {
        file.Position = 0;
        Span<byte> start = stackalloc byte[12];
        int count = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        if (count == 0)
            throw new InputException($"{path}: the file is empty");
        if (count < 4 || !start[..4].SequenceEqual("RIFF"u8) || (count == start.Length && !start[8..].SequenceEqual("WAVE"u8)))
            return null;
        if (count < start.Length)
            throw new EndOfStreamException();
        long length = file.Length; // each look at it is a system call
        (WavHeader header, uint size) = ReadChunks(file, length, path);
        return Describe(file, length, header, size, path);
    });

    /// <summary>Reads a header that ends where the samples begin, as it comes through a pipe.</summary>
    /// <returns>The header, with no frames, and the size of the data as it says it; null where it is no WAV file's.</returns>
    /// <exception cref="InputException">The header is damaged or says what cannot be.</exception>
    internal static (WavHeader Header, uint DataBytes)? TryReadPipeHeader(ReadOnlySpan<byte> header, string path)
    {
        if (header.Length < 12 || !header[..4].SequenceEqual("RIFF"u8) || !header[8..12].SequenceEqual("WAVE"u8))
            return null;
        using var stream = new MemoryStream(header.ToArray()) { Position = 12 };
        return InputFile.Guard<(WavHeader, uint)?>(path, () => ReadChunks(stream, stream.Length, path));
    }

    /// <summary>Goes through the chunks up to the data's, and leaves the file there.</summary>
    private static (WavHeader Header, uint DataBytes) ReadChunks(Stream file, long length, string path)
    {
        WavHeader? format = null;
        Span<byte> head = stackalloc byte[8];
        Span<byte> body = stackalloc byte[40];
        while (file.ReadAtLeast(head, 8, throwOnEndOfStream: false) == 8)
        {
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
            long next = file.Position + size + (size & 1); // chunks start at even offsets
            if (head[..4].SequenceEqual("fmt "u8))
            {
                if (size < 16)
                    throw new InputException($"{path}: damaged: the fmt chunk says {size} bytes, at least 16 are needed");
                Span<byte> fields = body[..(int)Math.Min(size, (uint)body.Length)];
                file.ReadExactly(fields);
                format = ParseFormat(fields, path);
            }
            else if (head[..4].SequenceEqual("data"u8))
            {
                if (format is null)
                    throw new InputException($"{path}: damaged: the data chunk comes before any fmt chunk");
                return (format.Value with { DataOffset = file.Position }, size);
            }
            if (next > length)
                break;
            file.Position = next;
        }
        throw new InputException($"{path}: truncated: no {(format is null ? "fmt" : "data")} chunk in {length} bytes");
    }

    private static WavHeader Describe(Stream file, long length, WavHeader header, uint size, string path)
    {
        long left = length - header.DataOffset;
        bool known = size == 0 ? ChunkFollows(file, length) : size < UnknownSize || size <= left;
        long bytes = known && (size <= left || IsCut(size, left)) ? size : left;
        if (bytes > left)
            throw Truncated(path, bytes, left);
        long frames = bytes / header.FrameBytes;
        if (frames == 0)
            throw new InputException($"{path}: holds no samples");
        RequireAlone(file, length, header.DataOffset + bytes + (bytes & 1), path);
        return header with { Frames = frames };
    }

    /// <summary>Goes through the chunks behind the data, of which none may begin another file.</summary>
    private static void RequireAlone(Stream file, long length, long at, string path)
    {
        Span<byte> head = stackalloc byte[ChunkHeadBytes];
        while (at + head.Length <= length)
        {
            file.Position = at;
            file.ReadExactly(head);
            if (AfterChunk(head, path) is not { } bytes)
                return;
            at += bytes;
        }
    }

    /// <summary>The bytes from a chunk's beginning to the next one's; null where it is no chunk.</summary>
    /// <param name="head">The first <see cref="ChunkHeadBytes"/> of what stands behind the data or behind a chunk that does.</param>
    /// <param name="path">What errors call the file.</param>
    /// <exception cref="InputException">Another file begins here: one that was joined as it is, of which all programs hear the first alone.</exception>
    internal static long? AfterChunk(ReadOnlySpan<byte> head, string path)
    {
        if (head.StartsWith("RIFF"u8))
            throw new InputException($"{path}: WAV files are joined in it, of which only the first would be heard; join their sounds instead (sox A.wav B.wav both.wav)");
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
        return head[..4].ContainsAnyExceptInRange((byte)' ', (byte)'~') ? null : ChunkHeadBytes + (long)size + (size & 1);
    }

    /// <summary>Whether data lack more than a header that was counted in.</summary>
    internal static bool IsCut(long says, long has) => says > has + HeaderBytes;

    internal static InputException Truncated(string path, long says, long has) => new($"{path}: truncated: the data chunk says {says} bytes, the file has {has}");

    /// <summary>Whether another chunk begins here, by its name and a size within the file: then a data chunk of no bytes is just that.</summary>
    private static bool ChunkFollows(Stream file, long length)
    {
        long start = file.Position;
        Span<byte> head = stackalloc byte[8];
        int count = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        file.Position = start;
        return count == head.Length && !head[..4].ContainsAnyExceptInRange((byte)' ', (byte)'~') && start + count + BinaryPrimitives.ReadUInt32LittleEndian(head[4..]) <= length;
    }

    private static WavHeader ParseFormat(ReadOnlySpan<byte> fields, string path)
    {
        ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(fields);
        ushort channels = BinaryPrimitives.ReadUInt16LittleEndian(fields[2..]);
        uint rate = BinaryPrimitives.ReadUInt32LittleEndian(fields[4..]);
        ushort bits = BinaryPrimitives.ReadUInt16LittleEndian(fields[14..]);
        if (tag == Extensible)
        {
            if (fields.Length < 26)
                throw new InputException($"{path}: damaged: the fmt chunk is too short for WAVE_FORMAT_EXTENSIBLE");
            // The GUID at 24 begins with the plain format tag; its remaining bytes are the same for all of them.
            tag = BinaryPrimitives.ReadUInt16LittleEndian(fields[24..]);
        }
        if (channels == 0)
            throw new InputException($"{path}: damaged: the fmt chunk says 0 channels");
        int frame = BinaryPrimitives.ReadUInt16LittleEndian(fields[12..]);
        // What the frame's size leaves for a sample, of which the bits may be fewer; where it makes no sense, the bits alone count.
        int container = frame % channels == 0 && 8 * (frame / channels) >= bits ? frame / channels : (bits + 7) / 8;
        WavEncoding encoding = (tag, bits, container) switch
        {
            (Pcm, > 0 and <= 8, 1) => WavEncoding.UnsignedByte,
            (Pcm, > 8 and <= 16, 2) => WavEncoding.Pcm16,
            (Pcm, > 16 and <= 24, 3) => WavEncoding.Pcm24,
            (Pcm, > 16 and <= 32, 4) => WavEncoding.Pcm32,
            (Pcm, _, _) => throw new InputException($"{path}: PCM of {bits} bits in {container} bytes cannot be read (8 to 32 bits in as many or the next larger bytes can)"),
            (Float, 32, 4) => WavEncoding.Float32,
            (Float, 64, 8) => WavEncoding.Float64,
            (MuLaw, 8, 1) => WavEncoding.MuLaw,
            (ALaw, 8, 1) => WavEncoding.ALaw,
            _ => WavEncoding.Foreign,
        };
        if (!AudioFile.IsRate(rate))
            throw new InputException($"{path}: a sample rate of {rate} Hz is outside {AudioFile.LeastRate}..{AudioFile.MostRate}");
        return new WavHeader(encoding, channels, (int)rate, 0, 0);
    }

    private static float[] ReadSamples(Stream file, in WavHeader header, string path)
    {
        var samples = new float[header.Frames];
        int frameBytes = header.BytesPerSample * header.Channels;
        int blockFrames = Math.Max(1, 64 * 1024 / frameBytes);
        byte[] block = ArrayPool<byte>.Shared.Rent(blockFrames * frameBytes);
        try
        {
            for (int done = 0; done < samples.Length;)
            {
                int frames = Math.Min(blockFrames, samples.Length - done);
                Span<byte> bytes = block.AsSpan(0, frames * frameBytes);
                file.ReadExactly(bytes);
                Decode(bytes, header, samples.AsSpan(done, frames));
                done += frames;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
        if (header.Encoding is WavEncoding.Float32 or WavEncoding.Float64)
            RequireFinite(samples, path);
        return samples;
    }

    internal static void Decode(ReadOnlySpan<byte> bytes, in WavHeader header, Span<float> samples)
    {
        if (header is { Encoding: WavEncoding.Pcm16, Channels: 1 })
        {
            for (int i = 0; i < samples.Length; i++)
                samples[i] = BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * i)..]) * (1f / 32768);
            return;
        }
        int step = header.BytesPerSample, offset = 0;
        for (int i = 0; i < samples.Length; i++)
        {
            double sum = 0;
            for (int c = 0; c < header.Channels; c++, offset += step)
                sum += Sample(bytes[offset..], header.Encoding);
            samples[i] = (float)(sum / header.Channels);
        }
    }

    private static double Sample(ReadOnlySpan<byte> at, WavEncoding encoding) => encoding switch
    {
        WavEncoding.UnsignedByte => (at[0] - 128) / 128.0,
        WavEncoding.Pcm16 => BinaryPrimitives.ReadInt16LittleEndian(at) / 32768.0,
        WavEncoding.Pcm24 => (at[0] | at[1] << 8 | (sbyte)at[2] << 16) / 8388608.0,
        WavEncoding.Pcm32 => BinaryPrimitives.ReadInt32LittleEndian(at) / 2147483648.0,
        WavEncoding.Float32 => BinaryPrimitives.ReadSingleLittleEndian(at),
        WavEncoding.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(at),
        WavEncoding.ALaw => ALawSample(at[0]) / 32768.0,
        _ => MuLawSample(at[0]) / 32768.0,
    };

    /// <summary>ITU-T G.711: with every other bit turned over, a sign (1 is positive), a 3-bit exponent and a 4-bit mantissa; 13 bits, here in the upper ones of 16.</summary>
    private static int ALawSample(byte code)
    {
        int bits = code ^ 0x55, exponent = bits >> 4 & 7;
        int magnitude = exponent == 0 ? ((bits & 15) << 4) + 8 : ((bits & 15) << 4) + 264 << exponent - 1;
        return (bits & 128) != 0 ? magnitude : -magnitude;
    }

    /// <summary>ITU-T G.711: the complement of the byte is a sign, a 3-bit exponent and a 4-bit mantissa, over a bias of 33 * 4.</summary>
    private static int MuLawSample(byte code)
    {
        int bits = ~code;
        int magnitude = (((bits & 15) << 3) + 132 << (bits >> 4 & 7)) - 132;
        return (bits & 128) != 0 ? -magnitude : magnitude;
    }

    /// <summary>Refuses what is no number.</summary>
    /// <param name="samples">Samples.</param>
    /// <param name="path">The file.</param>
    /// <param name="first">The number of the first of them.</param>
    internal static void RequireFinite(ReadOnlySpan<float> samples, string path, long first = 0)
    {
        for (int i = 0; i < samples.Length; i++)
        {
            if (!float.IsFinite(samples[i]))
                throw new InputException($"{path}: sample {first + i} is {samples[i]}, not a finite number");
        }
    }
}
