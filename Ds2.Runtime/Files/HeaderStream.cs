namespace Ds2.Runtime.Files;

/// <summary>A file of which mostly the start is looked at: that comes at once, and the file is only opened for good where more is asked for.</summary>
internal sealed class HeaderStream : Stream
{
    private readonly string path;
    private readonly byte[] start = new byte[256];
    private readonly int count;
    private FileStream? file;

    private HeaderStream(string path, long length)
    {
        this.path = path;
        Length = length;
        count = OperatingSystem.IsLinux() ? PosixFile.ReadStart(path, start) : -1;
        if (count < 0)
            count = InputFile.Guard(path, () => File.ReadAtLeast(start, start.Length, throwOnEndOfStream: false));
    }

    /// <inheritdoc/>
    public override long Length { get; }

    /// <inheritdoc/>
    public override long Position { get; set; }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <summary>The first bytes, or all where they are fewer.</summary>
    public ReadOnlySpan<byte> Start => start.AsSpan(0, count);

    private FileStream File => file ??= InputFile.Open(path);

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">It is missing or cannot be read.</exception>
    public static HeaderStream Open(string path) => Open(path, FileStamp.Of(path)?.Bytes ?? 0);

    /// <summary>Opens a file whose length is known.</summary>
    /// <param name="path">The file.</param>
    /// <param name="length">Its length.</param>
    /// <exception cref="InputException">It is missing or cannot be read.</exception>
    public static HeaderStream Open(string path, long length) => new(path, length);

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int got = 0;
        if (Position < count)
        {
            got = Math.Min(buffer.Length, count - (int)Position);
            start.AsSpan((int)Position, got).CopyTo(buffer);
        }
        else if (count == start.Length)
        {
            File.Position = Position;
            got = File.Read(buffer);
        }
        Position += got;
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
        file?.Dispose();
        base.Dispose(disposing);
    }
}
