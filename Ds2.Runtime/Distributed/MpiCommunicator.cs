using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Ds2.Runtime.Distributed;

/// <summary>Ranks that an MPI launcher has started. <see cref="Mpi.Open"/> makes it.</summary>
/// <remarks>Calls are the library's nonblocking ones, looked at until they are done or the time limit has passed: its blocking ones would wait for ever for a rank that is
/// lost, and keep a core busy meanwhile.</remarks>
public sealed unsafe class MpiCommunicator : ICommunicator
{
    private const int Failure = 1, Tag = 0;
    private static readonly TimeSpan AbortLimit = TimeSpan.FromSeconds(3);
    private readonly MpiLibrary mpi;
    private readonly TimeSpan? timeout;
    private volatile bool isPatient, failed;
    private bool disposed;

    /// <summary>Starts the library: once in a process.</summary>
    /// <exception cref="DistributedException">The library reports an error. Most that can go wrong here it prints itself, and ends the process.</exception>
    internal MpiCommunicator(MpiLibrary mpi, TimeSpan? timeout, bool deviceMemory)
    {
        this.mpi = mpi;
        this.timeout = timeout;
        Host = Environment.MachineName;
        int provided = 0, rank = 0, ranks = 0;
        // It waits for all ranks, without a limit of its own.
        using (ProcessEnd.After(timeout, Failure, $"ds2: on {Host}: waited {timeout?.TotalSeconds:F0} s for all ranks to start MPI, longer than the time limit (--exchange-timeout)"))
            Check(mpi.InitThread(null, null, MpiLibrary.ThreadMultiple, &provided), "MPI_Init_thread");
        // Calls are made by one thread at a time, but not by one alone; Abort may come beside them, and comes last.
        if (provided < MpiLibrary.ThreadSerialized)
            throw Failed($"{Library} serves only the thread that has started it (MPI_Init_thread gives {provided}): a build with thread support is needed");
        Check(mpi.SetErrorHandler(mpi.World, mpi.ErrorsReturn), "MPI_Comm_set_errhandler");
        Check(mpi.CommRank(mpi.World, &rank), "MPI_Comm_rank");
        Check(mpi.CommSize(mpi.World, &ranks), "MPI_Comm_size");
        (Rank, Ranks, Host, LocalRank) = (rank, ranks, mpi.ProcessorName(), RankOnNode(rank));
        TakesDeviceMemory = deviceMemory && mpi.IsCudaAware();
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Ranks { get; }

    /// <inheritdoc/>
    public int LocalRank { get; }

    /// <inheritdoc/>
    public string Host { get; }

    /// <inheritdoc/>
    public bool IsPatient { get => isPatient; set => isPatient = value; }

    /// <inheritdoc/>
    public bool TakesDeviceMemory { get; }

    /// <summary>The library's family: Open MPI or MPICH.</summary>
    public string Library => mpi.Kind.Name();

    /// <inheritdoc/>
    /// <remarks>Message by message: over TCP Open MPI 4's MPI_Iallgatherv takes up to twice as long for the same bytes, and its MPI_Ialltoallv takes equal addresses for MPI_IN_PLACE.</remarks>
    public ITransfer StartAllToAll(ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received)
    {
        Stretch.CopyOwn(this, send, sent, receive, received);
        ThrowIfUnusable();
        var transfer = new Transfer(this, send.Pin(), receive.Pin());
        // Each begins with the rank after its own, so that not all send to the same one at once.
        for (int step = 1; step < Ranks; step++)
        {
            int source = (Rank + Ranks - step) % Ranks;
            if (received[source].Length > 0)
                transfer.Receive(received[source], source);
        }

        for (int step = 1; step < Ranks; step++)
        {
            int target = (Rank + step) % Ranks;
            if (sent[target].Length > 0)
                transfer.Send(sent[target], target);
        }

        return transfer;
    }

    /// <inheritdoc/>
    public byte[][] AllGather(ReadOnlySpan<byte> message)
    {
        ThrowIfUnusable();
        int[] counts = new int[Ranks], one = new int[Ranks];
        Array.Fill(one, sizeof(int));
        counts[Rank] = message.Length;
        fixed (int* data = counts)
            Gather((byte*)data, Stretch.OneAfterTheOther(one));
        Stretch[] messages = Stretch.OneAfterTheOther(counts);
        byte[] all = new byte[messages[^1].End];
        message.CopyTo(all.AsSpan(messages[Rank].Offset));
        fixed (byte* data = all)
            Gather(data, messages);
        return [.. messages.Select(of => all[of.Offset..of.End])];
    }

    /// <inheritdoc/>
    public byte[] Broadcast(byte[]? message, int root)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(root);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(root, Ranks);
        if (Rank == root)
            ArgumentNullException.ThrowIfNull(message);
        ThrowIfUnusable();
        byte[] length = new byte[sizeof(int)];
        if (Rank == root)
            BinaryPrimitives.WriteInt32LittleEndian(length, message!.Length);
        Send(length, root);
        byte[] result = Rank == root ? message! : new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
        Send(result, root);
        return result;
    }

    /// <inheritdoc/>
    public void Barrier()
    {
        ThrowIfUnusable();
        nint request = 0;
        Check(mpi.Ibarrier(mpi.World, &request), "MPI_Ibarrier");
        Wait(&request, 1, "all ranks", 0);
    }

    /// <summary>The sum over all ranks by the library's own MPI_Allreduce, in place: what benchmarks compare with. The order of addition is the library's, and there is no time limit.</summary>
    /// <param name="values">As many on all ranks; overwritten with the sums.</param>
    /// <exception cref="DistributedException">The library reports an error.</exception>
    public void AllReduceByLibrary(Span<float> values)
    {
        ThrowIfUnusable();
        fixed (float* data = values)
            Check(mpi.Allreduce(mpi.InPlace, data, values.Length, mpi.Float, mpi.Sum, mpi.World), "MPI_Allreduce");
    }

    /// <inheritdoc/>
    public void GiveUp() => failed = true;

    /// <inheritdoc/>
    [DoesNotReturn]
    public void Abort(int exitCode)
    {
        failed = true;
        int code = exitCode == 0 ? Failure : exitCode;
        // The library tells its launcher, and may wait for an answer that does not come over a link that is cut.
        using IDisposable deadline = ProcessEnd.After(AbortLimit, code);
        _ = mpi.Abort(mpi.World, exitCode);
        Environment.Exit(code);
    }

    /// <summary>Waits for all ranks, within the time limit, and ends the library, which cannot be started again in this process. After a failure the library is left as it is: its own
    /// end would wait for ranks that do not come. The launcher ends the job of a process that has gone so.</summary>
    public void Dispose()
    {
        if (disposed || failed)
            return;
        try
        {
            Barrier();
            // Unlike all else that waits, the library's end has no time limit of its own: a link may be cut in it.
            using (ProcessEnd.After(timeout, Failure))
                _ = mpi.Finish();
        }
        catch (DistributedException)
        {
            // The others are gone, and the launcher knows.
        }

        disposed = true;
    }

    private void Gather(byte* data, Stretch[] stretches)
    {
        nint request = 0;
        int[] lengths = [.. stretches.Select(stretch => stretch.Length)], offsets = [.. stretches.Select(stretch => stretch.Offset)];
        fixed (int* counts = lengths, places = offsets)
        {
            Check(mpi.Iallgatherv(mpi.InPlace, 0, mpi.Byte, data, counts, places, mpi.Byte, mpi.World, &request), "MPI_Iallgatherv");
            Wait(&request, 1, "what all ranks have", stretches.Sum(stretch => (long)stretch.Length));
        }
    }

    private void Send(byte[] message, int root)
    {
        nint request = 0;
        fixed (byte* data = message)
        {
            Check(mpi.Ibcast(data, message.Length, mpi.Byte, root, mpi.World, &request), "MPI_Ibcast");
            Wait(&request, 1, $"the message of rank {root}", message.Length);
        }
    }

    /// <summary>Waits for calls of the library to be done.</summary>
    private void Wait(nint* requests, int count, string what, long bytes)
    {
        var waiting = Waiting.Start();
        while (true)
        {
            waiting.Look();
            while (count > 0 && IsDone(requests + count - 1, what))
                count--;
            if (count == 0)
                return;
            ThrowIfUnusable();
            if (waiting.Seconds > timeout?.TotalSeconds)
                throw Failed($"waited {waiting.Seconds:F1} s for {what}{(bytes > 0 ? $" ({bytes / 1e6:F1} MB)" : "")}, longer than the time limit");
            waiting.Pause(isPatient);
        }
    }

    private bool IsDone(nint* request, string what)
    {
        int done = 0;
        Check(mpi.Test(request, &done, mpi.IgnoreStatus), $"MPI_Test, {what}");
        return done != 0;
    }

    private int RankOnNode(int rank)
    {
        nint node = 0;
        int local = 0;
        Check(mpi.CommSplitType(mpi.World, mpi.Shared, rank, mpi.NoInfo, &node), "MPI_Comm_split_type");
        Check(mpi.CommRank(node, &local), "MPI_Comm_rank");
        Check(mpi.CommFree(&node), "MPI_Comm_free");
        return local;
    }

    private void Check(int error, string call)
    {
        if (error != 0)
            throw Failed($"{call}: {mpi.ErrorText(error)}");
    }

    private DistributedException Failed(string what)
    {
        failed = true;
        return new DistributedException($"rank {Rank} on {Host}: {what}");
    }

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (failed)
            throw new DistributedException($"rank {Rank} on {Host}: the job is over, an exchange has failed or was given up");
    }

    /// <summary>Messages under way, and the memory that they are in, which stays where it is until their end.</summary>
    private sealed class Transfer(MpiCommunicator communicator, MemoryHandle send, MemoryHandle receive) : ITransfer
    {
        // Pinned: the library is handed their addresses one by one.
        private readonly nint[] requests = GC.AllocateUninitializedArray<nint>(2 * communicator.Ranks, pinned: true);
        private readonly MpiLibrary mpi = communicator.mpi;
        private int count;
        private long bytes;

        public void Send(Stretch stretch, int target) =>
            communicator.Check(mpi.Isend((float*)send.Pointer + stretch.Offset, stretch.Length, mpi.Float, target, Tag, mpi.World, Next()), "MPI_Isend");

        public void Receive(Stretch stretch, int source)
        {
            communicator.Check(mpi.Irecv((float*)receive.Pointer + stretch.Offset, stretch.Length, mpi.Float, source, Tag, mpi.World, Next()), "MPI_Irecv");
            bytes += (long)stretch.Length * sizeof(float);
        }

        public void Wait()
        {
            communicator.ThrowIfUnusable();
            communicator.Wait(At(0), count, "the other ranks' stretches", bytes);
            send.Dispose();
            receive.Dispose();
        }

        private nint* Next() => At(count++);

        private nint* At(int request) => (nint*)Unsafe.AsPointer(ref requests[request]);
    }
}
