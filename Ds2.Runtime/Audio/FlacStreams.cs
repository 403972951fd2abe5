namespace Ds2.Runtime.Audio;

/// <summary>The recordings of a FLAC file, each with a header of its own. Their frames do not say how long they are, so that the next header is looked for.</summary>
internal static class FlacStreams
{
    private const int BlockBytes = 64 * 1024, StartBytes = 8, TagBytes = 128;

    /// <summary>The samples of more than most encoders put into a frame, as they are.</summary>
    private const int LargestFrame = 1 << 20;

    /// <summary>Beginnings of a frame that are looked at: in a whole file the last one is right, unless the end of its samples looks like one.</summary>
    private const int MostCandidates = 8;

    private static readonly ushort[] SumOfByte = [.. Enumerable.Range(0, 256).Select(SumOf)];

    /// <summary>The recordings that follow one another; none where there is but one, which is read as the file that it is, and null where the file is no FLAC file.</summary>
    /// <exception cref="InputException">One of them does not say how many samples it has, and ends within a frame.</exception>
    public static IReadOnlyList<SoundPart>? TryFindParts(FileStream file, string path)
    {
        if (FlacHeader.TryRead(file, path) is null)
            return null;
        List<long> starts = FindStarts(file);
        SoundPart[] parts = [.. starts.Select((start, i) => new SoundPart(start, (i + 1 < starts.Count ? starts[i + 1] : file.Length) - start))];
        foreach (SoundPart part in parts)
        {
            // Of such a one the library takes whatever end it comes to.
            if (FlacHeader.TryRead(file, path, part.Offset) is { Samples: 0 } && !EndsWithAFrame(file, part))
                throw SoundPart.Damaged(path, $"the last frame of FLAC before byte {part.Offset + part.Bytes} of {file.Length} is not whole");
        }
        return parts.Length == 1 ? [] : parts;
    }

    /// <summary>Where recordings begin: 64 bits that compressed sound has by chance in none of all files.</summary>
    private static List<long> FindStarts(FileStream file)
    {
        var starts = new List<long>();
        var block = new byte[BlockBytes];
        file.Position = 0;
        int held = 0;
        for (long at = 0; ;)
        {
            int count = held + file.ReadAtLeast(block.AsSpan(held), block.Length - held, throwOnEndOfStream: false);
            for (int i = 0; i + StartBytes <= count; i++)
            {
                int next = block.AsSpan(i, count - i).IndexOf("fLaC"u8);
                if (next < 0 || (i += next) + StartBytes > count)
                    break;
                // STREAMINFO of 34 bytes, with the bit of the last block of its kind or without.
                if ((block[i + 4] & 0x7F, block[i + 5], block[i + 6], block[i + 7]) == (0, 0, 0, 34))
                    starts.Add(at + i);
            }
            if (count < block.Length)
                return starts.Count > 0 ? starts : [0];
            // What begins in the block's last bytes is looked at with what follows.
            held = StartBytes - 1;
            at += count - held;
            block.AsSpan(count - held).CopyTo(block);
        }
    }

    /// <summary>Whether the last bytes are a frame, by its sum: that over a frame and its sum is 0. An ID3 tag may follow.</summary>
    private static bool EndsWithAFrame(FileStream file, SoundPart part)
    {
        var end = new byte[Math.Min(part.Bytes, LargestFrame)];
        file.Position = part.Offset + part.Bytes - end.Length;
        file.ReadExactly(end);
        ReadOnlySpan<byte> bytes = end;
        if (bytes.Length >= TagBytes && bytes[^TagBytes..].StartsWith("TAG"u8))
            bytes = bytes[..^TagBytes];
        for (int i = bytes.Length - 2, candidates = 0; i >= 0 && candidates < MostCandidates; i--)
        {
            if (bytes[i] != 0xFF || (bytes[i + 1] & 0xFE) != 0xF8 || !IsHeader(bytes[i..]))
                continue;
            candidates++;
            int sum = 0;
            foreach (byte value in bytes[i..])
                sum = (ushort)(sum << 8) ^ SumOfByte[sum >> 8 ^ value];
            if (sum == 0)
                return true;
        }
        return false;
    }

    /// <summary>Whether a frame's header stands here, by its own sum: CRC-8 with the polynomial 0x07.</summary>
    private static bool IsHeader(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 6)
            return false;
        // The number of the frame or of its first sample is written as UTF-8 writes characters; sizes and rates that have no code stand behind it.
        int number = int.Max(1, int.LeadingZeroCount(~(bytes[4] << 24))), size = bytes[2] >> 4, rate = bytes[2] & 15;
        int length = 4 + number + (size switch { 6 => 1, 7 => 2, _ => 0 }) + (rate switch { 12 => 1, 13 or 14 => 2, _ => 0 });
        if (length >= bytes.Length)
            return false;
        int sum = 0;
        foreach (byte value in bytes[..length])
        {
            sum ^= value;
            for (int bit = 0; bit < 8; bit++)
                sum = (sum & 0x80) != 0 ? (byte)(sum << 1) ^ 0x07 : sum << 1;
        }
        return sum == bytes[length];
    }

    /// <summary>CRC-16 with the polynomial 0x8005, the highest bit first.</summary>
    private static ushort SumOf(int value)
    {
        int sum = value << 8;
        for (int bit = 0; bit < 8; bit++)
            sum = (sum & 0x8000) != 0 ? (ushort)(sum << 1) ^ 0x8005 : sum << 1;
        return (ushort)sum;
    }
}
