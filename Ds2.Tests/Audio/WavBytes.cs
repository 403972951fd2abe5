namespace Ds2.Tests.Audio;

/// <summary>Builds WAV files byte by byte, right and wrong ones.</summary>
internal static class WavBytes
{
    public const ushort Pcm = 1, Float = 3, ALaw = 6, MuLaw = 7;

    /// <param name="tag">The format tag.</param>
    /// <param name="bits">Bits a sample.</param>
    /// <param name="channels">Interleaved channels.</param>
    /// <param name="rate">Frames a second.</param>
    /// <param name="data">The data chunk.</param>
    /// <param name="extensible">Whether the tag hides in WAVE_FORMAT_EXTENSIBLE's GUID.</param>
    /// <param name="says">What the data chunk says is its size; its true size if null.</param>
    /// <param name="container">Bytes a sample; as many as the bits take if null.</param>
    /// <param name="before">Bytes of an odd-sized chunk between format and data; none if 0.</param>
    public static byte[] Make(ushort tag, ushort bits, ushort channels, uint rate, byte[] data, bool extensible = false, uint? says = null, int before = 0, int? container = null)
    {
        int sample = container ?? bits / 8;
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write("RIFF"u8);
        writer.Write(0); // readers that trust this size are wrong more often than right; ours looks at the chunks
        writer.Write("WAVEfmt "u8);
        writer.Write(extensible ? 40 : 16);
        writer.Write(extensible ? (ushort)0xFFFE : tag);
        writer.Write(channels);
        writer.Write(rate);
        writer.Write((uint)(rate * channels * sample));
        writer.Write((ushort)(channels * sample));
        writer.Write(bits);
        if (extensible)
        {
            writer.Write((ushort)22);
            writer.Write(bits);
            writer.Write(0);
            writer.Write(tag);
            writer.Write([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        }
        if (before > 0)
        {
            writer.Write("LIST"u8);
            writer.Write(before);
            writer.Write(new byte[before + (before & 1)]);
        }
        writer.Write("data"u8);
        writer.Write(says ?? (uint)data.Length);
        writer.Write(data);
        return bytes.ToArray();
    }

    /// <summary>A file in Microsoft's ADPCM, mono, 16 kHz, with blocks of 256 bytes: 500 samples each.</summary>
    public static byte[] Adpcm(int blocks)
    {
        short[] coefficients = [256, 0, 512, -256, 0, 0, 192, 64, 240, 0, 460, -208, 392, -232];
        byte[] format =
        [
            .. BitConverter.GetBytes((ushort)2), .. BitConverter.GetBytes((ushort)1), .. BitConverter.GetBytes(16000), .. BitConverter.GetBytes(16000 * 256 / 500),
            .. BitConverter.GetBytes((ushort)256), .. BitConverter.GetBytes((ushort)4), .. BitConverter.GetBytes((ushort)32), .. BitConverter.GetBytes((ushort)500),
            .. BitConverter.GetBytes((ushort)7), .. Shorts(coefficients),
        ];
        byte[] block = [0, 16, 0, 100, 0, 50, 0, .. Enumerable.Range(0, 249).Select(i => (byte)(i * 31))];
        return Compressed(format, block, blocks, samplesOfBlock: 500);
    }

    /// <summary>GSM 6.10 as WAV holds it: blocks of 65 bytes for 320 samples.</summary>
    public static byte[] Gsm(int blocks)
    {
        byte[] format =
        [
            .. BitConverter.GetBytes((ushort)0x31), .. BitConverter.GetBytes((ushort)1), .. BitConverter.GetBytes(16000), .. BitConverter.GetBytes(16000 * 65 / 320),
            .. BitConverter.GetBytes((ushort)65), .. BitConverter.GetBytes((ushort)0), .. BitConverter.GetBytes((ushort)2), .. BitConverter.GetBytes((ushort)320),
        ];
        return Compressed(format, [.. Enumerable.Range(0, 65).Select(i => (byte)(i * 37))], blocks, samplesOfBlock: 320);
    }

    private static byte[] Compressed(byte[] format, byte[] block, int blocks, int samplesOfBlock)
    {
        byte[] data = [.. Enumerable.Repeat(block, blocks).SelectMany(bytes => bytes)];
        if (data.Length % 2 == 1)
            data = [.. data, 0];
        return
        [
            .. "RIFF"u8, .. BitConverter.GetBytes(20 + format.Length + 12 + data.Length), .. "WAVEfmt "u8, .. BitConverter.GetBytes(format.Length), .. format,
            .. "fact"u8, .. BitConverter.GetBytes(4), .. BitConverter.GetBytes(samplesOfBlock * blocks), .. "data"u8, .. BitConverter.GetBytes(block.Length * blocks), .. data,
        ];
    }

    /// <summary>The bytes of 16-bit samples.</summary>
    public static byte[] Shorts(params short[] samples) => [.. samples.SelectMany(BitConverter.GetBytes)];
}
