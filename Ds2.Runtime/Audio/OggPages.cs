using System.Buffers.Binary;

namespace Ds2.Runtime.Audio;

/// <summary>The pages of an Ogg file: Vorbis, Opus, FLAC and Speex lie in it. Each has a sum of its own.</summary>
internal static class OggPages
{
    private const int HeaderBytes = 27, Starts = 2;

    private static readonly uint[] SumOfByte = [.. Enumerable.Range(0, 256).Select(SumOf)];

    /// <summary>The recordings that follow one another; null where the file is no Ogg file.</summary>
    /// <exception cref="InputException">A page is not whole, or not as it was written.</exception>
    public static IReadOnlyList<SoundPart>? TryFindParts(FileStream file, string path)
    {
        var starts = new List<long>();
        var page = new byte[HeaderBytes + 255 + 255 * 255];
        long at = 0, length = file.Length; // each look at it is a system call
        for (bool wasStart = false; at < length;)
        {
            file.Position = at;
            int count = file.ReadAtLeast(page.AsSpan(0, HeaderBytes), HeaderBytes, throwOnEndOfStream: false);
            if (!page.AsSpan(0, count).StartsWith("OggS"u8))
            {
                if (at == 0)
                    return null;
                if (SoundPart.EndOfTag(file, at) is { } end)
                {
                    at = end;
                    continue;
                }
                throw SoundPart.Damaged(path, $"no page of Ogg begins at byte {at} of {length}");
            }
            int size = ReadRest(file, page, count);
            if (size == 0)
                throw SoundPart.Damaged(path, $"the page of Ogg at byte {at} of {length} is not whole");
            if (!HasItsSum(page.AsSpan(0, size)))
                throw SoundPart.Damaged(path, $"the page of Ogg at byte {at} of {length} does not have its sum");
            // Streams that run beside one another, sound and pictures, begin with one page each, all before any other.
            bool isStart = (page[5] & Starts) != 0;
            if (isStart && !wasStart)
                starts.Add(at);
            wasStart = isStart;
            at += size;
        }
        return [.. starts.Select((start, i) => new SoundPart(start, (i + 1 < starts.Count ? starts[i + 1] : length) - start))];
    }

    /// <summary>Reads what follows a page's header.</summary>
    /// <returns>The size of the page; 0 where the file ends within it.</returns>
    private static int ReadRest(FileStream file, byte[] page, int count)
    {
        if (count < HeaderBytes)
            return 0;
        int segments = page[26];
        if (file.ReadAtLeast(page.AsSpan(HeaderBytes, segments), segments, throwOnEndOfStream: false) < segments)
            return 0;
        int body = 0;
        foreach (byte segment in page.AsSpan(HeaderBytes, segments))
            body += segment;
        return file.ReadAtLeast(page.AsSpan(HeaderBytes + segments, body), body, throwOnEndOfStream: false) < body ? 0 : HeaderBytes + segments + body;
    }

    /// <summary>CRC-32 with the polynomial 0x04C11DB7, the highest bit first, from 0, over the page with zeros in the sum's place.</summary>
    private static bool HasItsSum(Span<byte> page)
    {
        uint said = BinaryPrimitives.ReadUInt32LittleEndian(page[22..]), sum = 0;
        page[22..26].Clear();
        foreach (byte value in page)
            sum = sum << 8 ^ SumOfByte[sum >> 24 ^ value];
        return sum == said;
    }

    private static uint SumOf(int value)
    {
        uint sum = (uint)value << 24;
        for (int bit = 0; bit < 8; bit++)
            sum = (sum & 0x8000_0000) != 0 ? sum << 1 ^ 0x04C1_1DB7 : sum << 1;
        return sum;
    }
}
