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
    private long left = long.MaxValue;

    /// <summary>Samples a second; 0 before the beginning was seen.</summary>
    public int SampleRate => format?.SampleRate ?? 0;

    /// <summary>Bytes a second; 0 before the beginning was seen.</summary>
    public int BytesPerSecond => format is { } known ? known.SampleRate * known.Channels * known.BytesPerSample : 0;

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
        WavHeader header = format!.Value;
        int frameBytes = header.BytesPerSample * header.Channels, frames = (int)Math.Min(count, left) / frameBytes;
        if (samples.Length < frames)
            samples = new float[frames];
        WavReader.Decode(held.AsSpan(0, frames * frameBytes), header, samples.AsSpan(0, frames));
        if (left != long.MaxValue)
            left -= frames * frameBytes;
        Drop(frames * frameBytes);
        return samples.AsSpan(0, frames);
    }

    /// <summary>Ends the sound: complains where not even a beginning came.</summary>
    /// <exception cref="InputException">The header was not complete.</exception>
    public void Finish()
    {
        if (format is null && count > 0)
            throw new InputException($"{name}: ends within its header, after {count} bytes");
    }

    private bool ReadFormat()
    {
        ReadOnlySpan<byte> start = held.AsSpan(0, count);
        if (count < 4)
            return false;
        if (!start[..4].SequenceEqual("RIFF"u8))
        {
            int rate = rawRate ?? throw new InputException($"{name}: has no WAV header; raw PCM (16 bits, one channel) needs --rate");
            format = new WavHeader(WavEncoding.Pcm16, 1, rate, 0, 0);
            return true;
        }

        // Chunks up to the data's.
        for (long at = 12; at + 8 <= count;)
        {
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(start[(int)(at + 4)..]);
            if (start.Slice((int)at, 4).SequenceEqual("data"u8))
            {
                ReadHeader(start[..(int)(at + 8)], size);
                return true;
            }

            at += 8L + size + (size & 1);
            if (at > LongestHeader)
                break;
        }

        return count <= LongestHeader ? false : throw new InputException($"{name}: no samples within {LongestHeader} bytes");
    }

    // The reader of files wants data to be there: it gets a frame of zeros, of unknown length.
    private void ReadHeader(ReadOnlySpan<byte> header, uint dataSize)
    {
        byte[] complete = [.. header, .. new byte[8 * ushort.MaxValue]];
        BinaryPrimitives.WriteUInt32LittleEndian(complete.AsSpan(header.Length - 4), uint.MaxValue);
        using var stream = new MemoryStream(complete);
        WavHeader found = WavReader.TryReadHeader(stream, name) is { Encoding: not WavEncoding.Foreign } known
            ? known : throw new InputException($"{name}: a WAV header of another kind or encoding than Ds2 reads from a pipe");
        if (dataSize > 0 && dataSize < WavReader.UnknownSize)
            left = dataSize;
        format = found;
        Drop(header.Length);
    }

    private void Drop(int bytes)
    {
        held.AsSpan(bytes, count - bytes).CopyTo(held);
        count -= bytes;
        if (left == 0)
            count = 0; // Chunks after the data.
    }
}
