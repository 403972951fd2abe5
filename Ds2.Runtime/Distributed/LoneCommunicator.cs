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
    public void AllToAll(ReadOnlySpan<float> send, ReadOnlySpan<int> sendCounts, Span<float> receive, ReadOnlySpan<int> receiveCounts)
    {
        Stretches.Check(sendCounts, Ranks, send.Length, nameof(sendCounts));
        Stretches.Check(receiveCounts, Ranks, receive.Length, nameof(receiveCounts));
        if (send.Length != receive.Length)
            throw new ArgumentException($"a rank sends itself {send.Length} elements and receives {receive.Length}", nameof(receiveCounts));
        send.CopyTo(receive);
    }

    /// <inheritdoc/>
    public void AllGather(Span<float> block, ReadOnlySpan<int> counts) => Stretches.Check(counts, Ranks, block.Length, nameof(counts));

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
