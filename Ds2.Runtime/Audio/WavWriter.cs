using System.Buffers.Binary;

namespace Ds2.Runtime.Audio;

/// <summary>Writes 16-bit mono WAV files.</summary>
public static class WavWriter
{
    private const int HeaderBytes = 44;

    /// <summary>Writes a file; one of the same name is overwritten.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="samples">Amplitudes, full scale at 1; rounded to the nearest of 65536 steps, clipped beyond.</param>
    /// <param name="sampleRate">Samples a second.</param>
    public static void Write(string path, ReadOnlySpan<float> samples, int sampleRate = AudioFile.SampleRate)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None);
        file.Write(Encode(samples, sampleRate));
    }

    /// <summary>The bytes of a whole file.</summary>
    /// <param name="samples">As <see cref="Write"/> takes them.</param>
    /// <param name="sampleRate">Samples a second.</param>
    public static byte[] Encode(ReadOnlySpan<float> samples, int sampleRate = AudioFile.SampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sampleRate);
        var bytes = new byte[checked(HeaderBytes + 2 * samples.Length)];
        WriteHeader(bytes, samples.Length, sampleRate);
        Span<byte> data = bytes.AsSpan(HeaderBytes);
        for (int i = 0; i < samples.Length; i++)
        {
            float scaled = Math.Clamp(MathF.Round(samples[i] * 32768), short.MinValue, short.MaxValue);
            BinaryPrimitives.WriteInt16LittleEndian(data[(2 * i)..], (short)scaled);
        }
        return bytes;
    }

    /// <summary>The samples of a file that was written here, from its length in bytes.</summary>
    internal static long SamplesOf(long length) => (length - HeaderBytes) / 2;

    /// <summary>The data chunk of a file that was written here; null where the bytes do not begin with the header of such a file of this length.</summary>
    internal static ReadOnlyMemory<byte>? DataOf(ReadOnlyMemory<byte> file)
    {
        Span<byte> head = stackalloc byte[HeaderBytes];
        if (file.Length < HeaderBytes)
            return null;
        WriteHeader(head, (int)SamplesOf(file.Length), AudioFile.SampleRate);
        return file.Span[..HeaderBytes].SequenceEqual(head) ? file[HeaderBytes..] : null;
    }

    private static void WriteHeader(Span<byte> head, int samples, int sampleRate)
    {
        "RIFF"u8.CopyTo(head);
        BinaryPrimitives.WriteInt32LittleEndian(head[4..], HeaderBytes + 2 * samples - 8);
        "WAVEfmt "u8.CopyTo(head[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(head[16..], 16);
        BinaryPrimitives.WriteInt16LittleEndian(head[20..], 1);              // PCM
        BinaryPrimitives.WriteInt16LittleEndian(head[22..], 1);              // channels
        BinaryPrimitives.WriteInt32LittleEndian(head[24..], sampleRate);
        BinaryPrimitives.WriteInt32LittleEndian(head[28..], 2 * sampleRate); // bytes a second
        BinaryPrimitives.WriteInt16LittleEndian(head[32..], 2);              // bytes a frame
        BinaryPrimitives.WriteInt16LittleEndian(head[34..], 16);             // bits a sample
        "data"u8.CopyTo(head[36..]);
        BinaryPrimitives.WriteInt32LittleEndian(head[40..], 2 * samples);
    }
}
