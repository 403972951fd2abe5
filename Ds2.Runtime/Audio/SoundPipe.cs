using System.Buffers.Binary;

namespace Ds2.Runtime.Audio;

/// <summary>Sound from a pipe: bytes in pieces of any size to samples. WAV as <see cref="WavReader"/> knows it, or raw PCM of 16 bits, one channel.</summary>
/// <remarks>A header's length of the data counts only if it can be true: what writes to a pipe does not know it.</remarks>
/// <param name="name">What errors call it.</param>
/// <param name="rawRate">Samples a second of raw PCM; null where only WAV will do.</param>
public sealed class SoundPipe(string name, int? rawRate)
{
    // Programs write a few dozen bytes before the samples; tags may be longer.
    private const int LongestHeader = 1 << 20;

    private byte[] held = new byte[4096];
    private int count;
    private float[] samples = [];
    private WavHeader? format;
    private long? dataBytes;
    private long took, toPass;
    private bool isOver;

    /// <summary>Samples a second; 0 before the beginning was seen.</summary>
    public int SampleRate => format?.SampleRate ?? 0;

    /// <summary>Bytes a second; 0 before the beginning was seen.</summary>
    public int BytesPerSecond => format is { } known ? known.SampleRate * known.FrameBytes : 0;

    /// <summary>Takes the next bytes.</summary>
    /// <returns>The samples that are complete, channels mixed to one by their mean; overwritten by the next call.</returns>
    /// <exception cref="InputException">The beginning is no WAV header and no rate of raw PCM was given, or the header is damaged or of an encoding that Ds2 does not read itself.</exception>
    public ReadOnlySpan<float> Accept(ReadOnlySpan<byte> bytes)
    {
        if (count + bytes.Length > held.Length)
            Array.Resize(ref held, Math.Max(count + bytes.Length, 2 * held.Length));
        bytes.CopyTo(held.AsSpan(count));
        count += bytes.Length;
        if (format is null && !ReadFormat())
            return [];
        if (isOver)
        {
            PassChunks();
            return [];
        }
        WavHeader header = format!.Value;
        int frames = (int)Math.Min(count, (dataBytes ?? long.MaxValue) - took) / header.FrameBytes, decoded = frames * header.FrameBytes;
        if (samples.Length < frames)
            samples = new float[frames];
        WavReader.Decode(held.AsSpan(0, decoded), header, samples.AsSpan(0, frames));
        took += decoded;
        Drop(decoded);
        if (dataBytes is { } all && all - took < header.FrameBytes)
            (isOver, toPass) = (true, all - took + (all & 1));
        return samples.AsSpan(0, frames);
    }

    /// <summary>Ends the sound: complains where less came than was to come.</summary>
    /// <exception cref="InputException">The header was not complete, the data are fewer than it says, or another file follows.</exception>
    public void Finish()
    {
        if (isOver)
        {
            PassChunks();
            return;
        }
        if (format is null && count > 0)
            throw new InputException($"{name}: ends within its header, after {count} bytes");
        if (dataBytes is { } says && WavReader.IsCut(says, took + count))
            throw WavReader.Truncated(name, says, took + count);
    }

    private bool ReadFormat()
    {
        ReadOnlySpan<byte> start = held.AsSpan(0, count);
        if (count < 4)
            return false;
        if (!start[..4].SequenceEqual("RIFF"u8))
        {
            if (rawRate is not { } rate || SndFile.SaysItsFormat(start) && !CanBePcm(start))
                throw NotReadable(rawRate is null ? "has no WAV header; --rate says that it is raw PCM of 16 bits and one channel" : "holds no raw PCM but a file of sound");
            format = new WavHeader(WavEncoding.Pcm16, 1, rate, 0, 0);
            return true;
        }

        // Chunks up to the data's.
        for (long at = 12; at + 8 <= count;)
        {
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(start[(int)(at + 4)..]);
            if (start.Slice((int)at, 4).SequenceEqual("data"u8))
            {
                ReadHeader((int)at + 8);
                return true;
            }

            at += 8L + size + (size & 1);
            if (at > LongestHeader)
                break;
        }

        return count <= LongestHeader ? false : throw new InputException($"{name}: no samples within {LongestHeader} bytes");
    }

    /// <summary>Two bytes may begin an MP3 or be a sample, the longer words of other formats are none.</summary>
    private static bool CanBePcm(ReadOnlySpan<byte> start) => start[0] == 0xFF && !MpegFrames.Begins(start);

    private InputException NotReadable(string why) => new($"{name}: {why}; other sound comes as WAV from: ffmpeg -i FILE -f wav -");

    private void ReadHeader(int length)
    {
        if (WavReader.TryReadPipeHeader(held.AsSpan(0, length), name) is not ({ Encoding: not WavEncoding.Foreign } header, uint size))
            throw NotReadable("a WAV header of another kind or encoding than Ds2 reads from a pipe");
        if (size > 0 && size < WavReader.UnknownSize)
            dataBytes = size;
        format = header;
        Drop(length);
    }

    private void Drop(int bytes)
    {
        held.AsSpan(bytes, count - bytes).CopyTo(held);
        count -= bytes;
    }

    /// <summary>Goes through what comes behind the data, as a file's reader does: nothing of it is heard, but it may begin another file.</summary>
    private void PassChunks()
    {
        while (true)
        {
            int some = (int)Math.Min(count, toPass);
            Drop(some);
            toPass -= some;
            if (toPass > 0 || count < WavReader.ChunkHeadBytes)
                return;
            toPass = WavReader.AfterChunk(held.AsSpan(0, count), name) ?? long.MaxValue;
        }
    }
}
