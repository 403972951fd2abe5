using System.Security.Cryptography;

namespace Ds2.Runtime.Data.LibriSpeech.Download;

/// <summary>Passes reads on to another stream and sums the bytes that went through.</summary>
/// <param name="inner">Read from; not disposed.</param>
/// <param name="item">Hears of the bytes.</param>
/// <param name="cancellation">Ends the next read.</param>
internal sealed class HashingStream(Stream inner, IWorkItem item, CancellationToken cancellation) : Stream
{
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads what is left, and returns the sum of everything.</summary>
    public string DigestToEnd()
    {
        CopyTo(Null);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public override int Read(Span<byte> buffer)
    {
        cancellation.ThrowIfCancellationRequested();
        int count = inner.Read(buffer);
        hash.AppendData(buffer[..count]);
        item.Advance(count);
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        hash.Dispose();
        base.Dispose(disposing);
    }
}
