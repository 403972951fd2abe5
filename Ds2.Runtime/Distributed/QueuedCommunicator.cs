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
    private bool disposed;

    /// <inheritdoc/>
    public int Rank => communicator.Rank;

    /// <inheritdoc/>
    public int Ranks => communicator.Ranks;

    /// <inheritdoc/>
    public int LocalRank => communicator.LocalRank;

    /// <inheritdoc/>
    public string Host => communicator.Host;

    /// <inheritdoc/>
    public bool IsPatient { get => communicator.IsPatient; set => communicator.IsPatient = value; }

    /// <inheritdoc/>
    public bool TakesDeviceMemory => communicator.TakesDeviceMemory;

    /// <summary>Whether all calls that were left to the thread came to their end. Where one did not, the library may still hold requests on its memory, which is then not to be given back.</summary>
    public bool IsSettled => last.IsCompletedSuccessfully;

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
        communicator.IsPatient = true;
        calls.Add(last);
        return last;
    }

    /// <summary>Waits for what was left to the thread, which then need not leave the cores to the caller.</summary>
    /// <param name="work">A task of <see cref="Post"/>, or one that ends in it.</param>
    public void WaitFor(Task work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (!work.IsCompleted)
            communicator.IsPatient = false;
        try
        {
            work.GetAwaiter().GetResult();
        }
        finally
        {
            communicator.IsPatient = true;
        }
    }

    /// <inheritdoc/>
    public ITransfer StartAllToAll(ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received) => Settled().StartAllToAll(send, sent, receive, received);

    /// <inheritdoc/>
    public byte[][] AllGather(ReadOnlySpan<byte> message) => Settled().AllGather(message);

    /// <inheritdoc/>
    public byte[] Broadcast(byte[]? message, int root) => Settled().Broadcast(message, root);

    /// <inheritdoc/>
    public void Barrier() => Settled().Barrier();

    /// <inheritdoc/>
    [DoesNotReturn]
    public void Abort(int exitCode) => communicator.Abort(exitCode);

    /// <inheritdoc/>
    public void GiveUp() => communicator.GiveUp();

    /// <summary>Ends the thread; the ranks stay. Where its call waits for ranks that do not come, it is given up after some seconds; see <see cref="IsSettled"/>.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        calls.CompleteAdding();
        if (worker is not null && !worker.Join(LongestEnd))
        {
            communicator.GiveUp();
            worker.Join();
        }

        calls.Dispose();
    }

    private ICommunicator Settled()
    {
        WaitFor(last);
        communicator.IsPatient = false;
        return communicator;
    }

    private void Work()
    {
        foreach (Task call in calls.GetConsumingEnumerable())
            call.RunSynchronously();
    }
}
