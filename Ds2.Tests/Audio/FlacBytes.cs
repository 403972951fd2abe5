using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Ds2.Tests.Audio;

/// <summary>Writes FLAC without compressing: every subframe verbatim. Enough for tests to need no encoder.</summary>
internal static class FlacBytes
{
    private const int BlockSize = 4096;

    /// <param name="samples">16-bit samples, channels interleaved.</param>
    /// <param name="rate">Frames a second.</param>
    /// <param name="channels">1 or 2.</param>
    /// <param name="md5">Whether the header has the samples' MD5 sum; zeros there say that it was not computed.</param>
    public static byte[] Make(short[] samples, int rate = 16000, int channels = 1, bool md5 = true)
    {
        int frames = samples.Length / channels;
        var bytes = new List<byte>();
        bytes.AddRange("fLaC"u8);
        bytes.AddRange([0x80, 0, 0, 34]); // the last metadata block, of type STREAMINFO
        var info = new byte[34];
        BinaryPrimitives.WriteUInt16BigEndian(info, BlockSize);
        BinaryPrimitives.WriteUInt16BigEndian(info.AsSpan(2), BlockSize);
        BinaryPrimitives.WriteUInt64BigEndian(info.AsSpan(10), (ulong)rate << 44 | (ulong)(channels - 1) << 41 | 15UL << 36 | (uint)frames);
        if (md5)
            CryptographicOperations.HashData(HashAlgorithmName.MD5, WavBytes.Shorts(samples), info.AsSpan(18));
        bytes.AddRange(info);
        for (int first = 0, number = 0; first < frames; first += BlockSize, number++)
            bytes.AddRange(Frame(samples, first, Math.Min(BlockSize, frames - first), channels, number));
        return [.. bytes];
    }

    private static List<byte> Frame(short[] samples, int first, int count, int channels, int number)
    {
        Assert.That(number, Is.LessThan(128), "longer frame numbers take more than one byte");
        // Sync code; a 16-bit block size follows, the rate stands in STREAMINFO; channels and 16 bits; number; size - 1.
        List<byte> frame = [0xFF, 0xF8, 0x70, (byte)(channels - 1 << 4 | 0b1000), (byte)number, (byte)(count - 1 >> 8), (byte)(count - 1)];
        frame.Add((byte)Crc(frame, 8, 0x07));
        for (int channel = 0; channel < channels; channel++)
        {
            frame.Add(0b0000_0010); // subframe header: verbatim
            for (int i = 0; i < count; i++)
            {
                short sample = samples[(first + i) * channels + channel];
                frame.AddRange([(byte)(sample >> 8), (byte)sample]);
            }
        }
        int crc = Crc(frame, 16, 0x8005);
        frame.AddRange([(byte)(crc >> 8), (byte)crc]);
        return frame;
    }

    private static int Crc(List<byte> bytes, int width, int polynomial)
    {
        int crc = 0;
        foreach (byte value in bytes)
        {
            crc ^= value << width - 8;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1 << width - 1) != 0 ? crc << 1 ^ polynomial : crc << 1;
        }
        return crc & (1 << width) - 1;
    }
}
