namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Lines of a stream as bytes, without a string for each.</summary>
/// <param name="stream">Read from where it stands to its end; not closed.</param>
internal sealed class LineReader(Stream stream)
{
    private byte[] buffer = new byte[1 << 18];
    private int start, end;
    private bool atEnd;

    /// <summary>The number of the line read last, from 1; of more than 2^31 lines the last ones are all called that.</summary>
    public int Number { get; private set; }

    /// <summary>Whether the line read last is the last one and has no end.</summary>
    public bool EndsWithin { get; private set; }

    /// <summary>The next line without what ends it, until the next is read; the last line need not end.</summary>
    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        for (int searched = 0; ;)
        {
            int length = buffer.AsSpan(start + searched, end - start - searched).IndexOf((byte)'\n');
            if (length >= 0 || atEnd)
            {
                if (length < 0 && start == end)
                {
                    line = default;
                    return false;
                }
                EndsWithin = length < 0;
                length = length >= 0 ? length + searched : end - start;
                line = buffer.AsSpan(start, length);
                start += Math.Min(length + 1, end - start);
                if (line is [.., (byte)'\r'])
                    line = line[..^1];
                if (Number == 0 && line.StartsWith("\uFEFF"u8))
                    line = line[3..];
                Number += Number < int.MaxValue ? 1 : 0;
                return true;
            }
            searched = end - start;
            Fill();
        }
    }

    private void Fill()
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }
        if (end == buffer.Length)
            Array.Resize(ref buffer, checked(2 * buffer.Length));
        int got = stream.Read(buffer, end, buffer.Length - end);
        end += got;
        atEnd = got == 0;
    }
}
