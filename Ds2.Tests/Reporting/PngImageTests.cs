using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Ds2.Train.Reporting.Report;

namespace Ds2.Tests.Reporting;

/// <summary>Pictures, read back by a reader of the tests' own.</summary>
public sealed class PngImageTests
{
    [Test]
    public void Encode_IsReadBack()
    {
        const int width = 37, height = 11;
        var pixels = new byte[width * height];
        var palette = new byte[256 * 3];
        new Random(3).NextBytes(pixels);
        new Random(4).NextBytes(palette);
        Dictionary<string, byte[]> chunks = Chunks(PngImage.Encode(pixels, width, height, palette));
        Assert.Multiple(() =>
        {
            Assert.That(chunks.Keys, Is.EqualTo(new[] { "IHDR", "PLTE", "IDAT", "IEND" }));
            Assert.That(chunks["IHDR"], Is.EqualTo(new byte[] { 0, 0, 0, width, 0, 0, 0, height, 8, 3, 0, 0, 0 }));
            Assert.That(chunks["PLTE"], Is.EqualTo(palette));
            Assert.That(Pixels(chunks["IDAT"], width, height), Is.EqualTo(pixels));
        });
    }

    private static Dictionary<string, byte[]> Chunks(byte[] png)
    {
        Assert.That(png[..8], Is.EqualTo(new byte[] { 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a }));
        var chunks = new Dictionary<string, byte[]>();
        for (int at = 8; at < png.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at));
            chunks.Add(Encoding.ASCII.GetString(png, at + 4, 4), png[(at + 8)..(at + 8 + length)]);
            Assert.That(BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(at + 8 + length)), Is.EqualTo(Checksum(png.AsSpan(at + 4, 4 + length))));
            at += 12 + length;
        }

        return chunks;
    }

    private static byte[] Pixels(byte[] data, int width, int height)
    {
        using var zlib = new ZLibStream(new MemoryStream(data), CompressionMode.Decompress);
        using var lines = new MemoryStream();
        zlib.CopyTo(lines);
        byte[] filtered = lines.ToArray();
        Assert.That(filtered, Has.Length.EqualTo((1 + width) * height));
        var pixels = new byte[width * height];
        for (int y = 0; y < height; y++)
        {
            Assert.That(filtered[y * (1 + width)], Is.EqualTo(2), "the filter: up");
            for (int x = 0; x < width; x++)
                pixels[y * width + x] = (byte)(filtered[y * (1 + width) + 1 + x] + (y > 0 ? pixels[(y - 1) * width + x] : 0));
        }

        return pixels;
    }

    private static uint Checksum(ReadOnlySpan<byte> data)
    {
        uint crc = ~0u;
        foreach (byte value in data)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0xedb88320;
        }

        return ~crc;
    }
}
