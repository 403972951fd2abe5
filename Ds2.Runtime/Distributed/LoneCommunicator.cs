using System.Diagnostics.CodeAnalysis;

namespace Ds2.Runtime.Distributed;

/// <summary>One rank, which needs no library: calls copy, or do nothing.</summary>
public sealed class LoneCommunicator : ICommunicator
{
    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int Ranks => 1;

    /// <inheritdoc/>
    public int LocalRank => 0;

    /// <inheritdoc/>
    public string Host => Environment.MachineName;

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<float> send, ReadOnlySpan<Stretch> sent, Span<float> receive, ReadOnlySpan<Stretch> received)
    {
        Stretch.Check(sent, Ranks, send.Length, nameof(sent));
        Stretch.Check(received, Ranks, receive.Length, nameof(received));
        if (sent[0].Length != received[0].Length)
            throw new ArgumentException($"a rank sends itself {sent[0].Length} elements and receives {received[0].Length}", nameof(received));
        send.Slice(sent[0].Offset, sent[0].Length).CopyTo(receive[received[0].Offset..]);
    }

    /// <inheritdoc/>
    public void AllGather(Span<float> block, ReadOnlySpan<Stretch> stretches) => Stretch.Check(stretches, Ranks, block.Length, nameof(stretches));

    /// <inheritdoc/>
    public byte[][] AllGather(ReadOnlySpan<byte> message) => [message.ToArray()];

    /// <inheritdoc/>
    public byte[] Broadcast(byte[]? message, int root)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(root, 0);
        return message ?? throw new ArgumentNullException(nameof(message));
    }

    /// <inheritdoc/>
    public void Barrier()
    {
    }

    /// <inheritdoc/>
    [DoesNotReturn]
    public void Abort(int exitCode) => Environment.Exit(exitCode);

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
