using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Ds2.Runtime.Distributed;

/// <summary>A communicator whose calls can be left to a thread of its own, which makes them one after the other while the caller computes.</summary>
/// <remarks>
/// That thread is also what moves the bytes on: MPI does so within its calls, and whoever computes makes none. Calls that are made directly come after all that were left to it: so the order is that of the
/// program, which is the same on all ranks. It serves one caller at a time.
/// </remarks>
/// <param name="communicator">The ranks; the caller's, and to be used through this object alone.</param>
public sealed class QueuedCommunicator(ICommunicator communicator) : ICommunicator
{
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(5);
    private readonly BlockingCollection<Task> calls = [];
    private Task last = Task.CompletedTask;
    private Thread? worker;

    /// <inheritdoc/>
    public int Rank => communicator.Rank;

    /// <inheritdoc/>
    public int Ranks => communicator.Ranks;

    /// <inheritdoc/>
    public int LocalRank => communicator.LocalRank;

    /// <inheritdoc/>
    public string Host => communicator.Host;

    /// <summary>The ranks themselves: for calls that are left to the thread, and for those alone.</summary>
    public ICommunicator Communicator => communicator;

    /// <summary>Leaves calls of <see cref="Communicator"/> to the thread, after all that it has.</summary>
    /// <param name="work">Makes them; what it uses must not be used otherwise until it is done.</param>
    /// <returns>Ends with them; fails where they do, or any before.</returns>
    public Task Post(Action work)
    {
        if (worker is null)
        {
            worker = new Thread(Work) { IsBackground = true, Name = "ds2 exchange" };
            worker.Start();
        }

        Task before = last;
        last = new Task(() =>
        {
            before.GetAwaiter().GetResult();
            work();
        });
        calls.Add(last);
        return last;
    }

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<float> send, ReadOnlySpan<Stretch> sent, Span<float> receive, ReadOnlySpan<Stretch> received) => Settled().AllToAll(send, sent, receive, received);

    /// <inheritdoc/>
    public void AllGather(Span<float> block, ReadOnlySpan<Stretch> stretches) => Settled().AllGather(block, stretches);

    /// <inheritdoc/>
    public byte[][] AllGather(ReadOnlySpan<byte> message) => Settled().AllGather(message);

    /// <inheritdoc/>
    public byte[] Broadcast(byte[]? message, int root) => Settled().Broadcast(message, root);

    /// <inheritdoc/>
    public void Barrier() => Settled().Barrier();

    /// <inheritdoc/>
    [DoesNotReturn]
    public void Abort(int exitCode) => communicator.Abort(exitCode);

    /// <summary>Ends the thread; the ranks stay. Where a call waits for ranks that do not come, it is left to itself after some seconds, for the job's end to come.</summary>
    public void Dispose()
    {
        calls.CompleteAdding();
        if (worker?.Join(LongestEnd) ?? true)
            calls.Dispose();
    }

    private ICommunicator Settled()
    {
        last.GetAwaiter().GetResult();
        return communicator;
    }

    private void Work()
    {
        foreach (Task call in calls.GetConsumingEnumerable())
            call.RunSynchronously();
    }
}
