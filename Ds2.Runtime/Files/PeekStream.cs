namespace Ds2.Runtime.Files;

/// <summary>What is read once, from its start to its end, and whose first bytes can be looked at before: a pipe cannot be wound back. Tells how much was read.</summary>
/// <param name="inner">Read from where it stands; owned.</param>
internal sealed class PeekStream(Stream inner) : Stream
{
    private byte[] start = [];
    private int given;

    /// <summary>Hears of the bytes that are read, not of those that are looked at; null for nobody.</summary>
    public IWorkItem? Work { get; set; }

    /// <summary>Bytes of the whole; null where nobody knows, as of a pipe.</summary>
    public long? Total => inner.CanSeek ? inner.Length : null;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>The first bytes, or all where they are fewer; before anything is read.</summary>
    /// <param name="count">How many.</param>
    public ReadOnlySpan<byte> Peek(int count)
    {
        if (start.Length < count)
        {
            var more = new byte[count];
            start.CopyTo(more, 0);
            int got = inner.ReadAtLeast(more.AsSpan(start.Length), count - start.Length, throwOnEndOfStream: false);
            start = more[..(start.Length + got)];
        }
        return start.AsSpan(0, Math.Min(count, start.Length));
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int got = Math.Min(buffer.Length, start.Length - given);
        if (got > 0)
        {
            start.AsSpan(given, got).CopyTo(buffer);
            given += got;
        }
        else
        {
            got = inner.Read(buffer);
        }
        Work?.Advance(got);
        return got;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}
