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
    public bool IsPatient { get; set; }

    /// <inheritdoc/>
    public bool TakesDeviceMemory => false;

    /// <inheritdoc/>
    public ITransfer StartAllToAll(ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received)
    {
        Stretch.CopyOwn(this, send, sent, receive, received);
        return new Done();
    }

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
    public void GiveUp()
    {
    }

    /// <inheritdoc/>
    [DoesNotReturn]
    public void Abort(int exitCode) => Environment.Exit(exitCode);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class Done : ITransfer
    {
        public void Wait()
        {
        }
    }
}
