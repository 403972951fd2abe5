using System.Buffers.Binary;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>What FLAC's STREAMINFO block says: enough for the length, with no library.</summary>
/// <param name="SampleRate">Samples a second.</param>
/// <param name="Channels">Channels.</param>
/// <param name="Samples">Samples of each channel; 0 where the encoder did not know.</param>
/// <param name="BitsPerSample">Bits of one sample.</param>
/// <param name="Md5">The MD5 sum of all samples, interleaved, little-endian; 0 where the encoder did not compute it.</param>
internal readonly record struct FlacHeader(int SampleRate, int Channels, long Samples, int BitsPerSample = 16, UInt128 Md5 = default)
{
    public double Seconds => (double)Samples / SampleRate;

    /// <summary>Reads the header, or returns null where the file is not FLAC.</summary>
    /// <param name="path">The file.</param>
    /// <param name="at">Where in it the recording begins.</param>
    /// <exception cref="InputException">The file is missing, or it is FLAC and damaged.</exception>
    public static FlacHeader? TryRead(string path, long at = 0)
    {
        using FileStream file = InputFile.Open(path);
        return TryRead(file, path, at);
    }

    /// <summary>Reads the header from an open file, likewise.</summary>
    public static FlacHeader? TryRead(Stream file, string path, long at = 0) => InputFile.Guard(path, () =>
    {
        file.Position = at;
        return Read(file, path);
    });

    private static FlacHeader? Read(Stream file, string path)
    {
        // "fLaC", a 4-byte block header, then STREAMINFO, which is always the first block: 2 + 2 bytes of block sizes,
        // 3 + 3 of frame sizes, then 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of samples, and 16 bytes of MD5.
        Span<byte> bytes = stackalloc byte[42];
        int count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (count < 4 || !bytes[..4].SequenceEqual("fLaC"u8))
            return null;
        if (count < bytes.Length)
            throw new InputException($"{path}: truncated: {count} bytes are too few for a FLAC header");
        if ((bytes[4] & 0x7F) != 0)
            throw new InputException($"{path}: damaged: a FLAC file must begin with a STREAMINFO block");
        ulong packed = BinaryPrimitives.ReadUInt64BigEndian(bytes[18..]);
        int rate = (int)(packed >> 44);
        if (rate == 0)
            throw new InputException($"{path}: damaged: FLAC sample rate 0");
        return new FlacHeader(
            rate, (int)(packed >> 41 & 7) + 1, (long)(packed & 0xF_FFFF_FFFF), (int)(packed >> 36 & 31) + 1, BinaryPrimitives.ReadUInt128BigEndian(bytes[26..]));
    }
}
