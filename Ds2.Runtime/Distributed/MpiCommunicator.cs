using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Ds2.Runtime.Distributed;

/// <summary>Ranks that an MPI launcher has started. <see cref="Mpi.Open"/> makes it.</summary>
/// <remarks>Collective calls are the library's nonblocking ones, looked at until they are done or the time limit has passed: its blocking ones would wait for ever for a rank that is
/// lost, and keep a core busy meanwhile.</remarks>
public sealed unsafe class MpiCommunicator : ICommunicator
{
    private const int Failure = 1;
    private static readonly TimeSpan AbortLimit = TimeSpan.FromSeconds(3);
    private readonly MpiLibrary mpi;
    private readonly TimeSpan? timeout;
    private bool failed, disposed;

    /// <summary>Starts the library: once in a process.</summary>
    /// <exception cref="DistributedException">The library reports an error. Most that can go wrong here it prints itself, and ends the process.</exception>
    internal MpiCommunicator(MpiLibrary mpi, TimeSpan? timeout)
    {
        this.mpi = mpi;
        this.timeout = timeout;
        Host = Environment.MachineName;
        int provided = 0, rank = 0, ranks = 0;
        Check(mpi.InitThread(null, null, MpiLibrary.ThreadMultiple, &provided), "MPI_Init_thread");
        Check(mpi.SetErrorHandler(mpi.World, mpi.ErrorsReturn), "MPI_Comm_set_errhandler");
        Check(mpi.CommRank(mpi.World, &rank), "MPI_Comm_rank");
        Check(mpi.CommSize(mpi.World, &ranks), "MPI_Comm_size");
        (Rank, Ranks, Host, LocalRank) = (rank, ranks, mpi.ProcessorName(), RankOnNode(rank));
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Ranks { get; }

    /// <inheritdoc/>
    public int LocalRank { get; }

    /// <inheritdoc/>
    public string Host { get; }

    /// <summary>The library's family: Open MPI or MPICH.</summary>
    public string Library => mpi.Kind.Name();

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<float> send, ReadOnlySpan<Stretch> sent, Span<float> receive, ReadOnlySpan<Stretch> received)
    {
        Stretch.Check(sent, Ranks, send.Length, nameof(sent));
        Stretch.Check(received, Ranks, receive.Length, nameof(received));
        ThrowIfUnusable();
        nint request = 0;
        fixed (float* from = send, to = receive)
        fixed (int* fromCounts = Lengths(sent), toCounts = Lengths(received), fromOffsets = Offsets(sent), toOffsets = Offsets(received))
        {
            Check(mpi.Ialltoallv(from, fromCounts, fromOffsets, mpi.Float, to, toCounts, toOffsets, mpi.Float, mpi.World, &request), "MPI_Ialltoallv");
            Wait(request, "all ranks' stretches", BytesOf(received, sizeof(float)));
        }
    }

    /// <inheritdoc/>
    public void AllGather(Span<float> block, ReadOnlySpan<Stretch> stretches)
    {
        Stretch.Check(stretches, Ranks, block.Length, nameof(stretches));
        ThrowIfUnusable();
        fixed (float* data = block)
            Gather(data, stretches, mpi.Float, sizeof(float));
    }

    /// <inheritdoc/>
    public byte[][] AllGather(ReadOnlySpan<byte> message)
    {
        ThrowIfUnusable();
        int[] counts = new int[Ranks], one = new int[Ranks];
        Array.Fill(one, sizeof(int));
        counts[Rank] = message.Length;
        fixed (int* data = counts)
            Gather(data, Stretch.OneAfterTheOther(one), mpi.Byte, 1);
        Stretch[] messages = Stretch.OneAfterTheOther(counts);
        byte[] all = new byte[messages[^1].End];
        message.CopyTo(all.AsSpan(messages[Rank].Offset));
        fixed (byte* data = all)
            Gather(data, messages, mpi.Byte, 1);
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
        Wait(request, "all ranks", 0);
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

    private void Gather(void* data, ReadOnlySpan<Stretch> stretches, nint type, int elementBytes)
    {
        nint request = 0;
        fixed (int* counts = Lengths(stretches), offsets = Offsets(stretches))
        {
            Check(mpi.Iallgatherv(mpi.InPlace, 0, type, data, counts, offsets, type, mpi.World, &request), "MPI_Iallgatherv");
            Wait(request, "what all ranks have", BytesOf(stretches, elementBytes));
        }
    }

    private static int[] Lengths(ReadOnlySpan<Stretch> stretches)
    {
        int[] lengths = new int[stretches.Length];
        for (int i = 0; i < lengths.Length; i++)
            lengths[i] = stretches[i].Length;
        return lengths;
    }

    private static int[] Offsets(ReadOnlySpan<Stretch> stretches)
    {
        int[] offsets = new int[stretches.Length];
        for (int i = 0; i < offsets.Length; i++)
            offsets[i] = stretches[i].Offset;
        return offsets;
    }

    private static long BytesOf(ReadOnlySpan<Stretch> stretches, int elementBytes)
    {
        long elements = 0;
        foreach (Stretch stretch in stretches)
            elements += stretch.Length;
        return elements * elementBytes;
    }

    private void Send(byte[] message, int root)
    {
        nint request = 0;
        fixed (byte* data = message)
        {
            Check(mpi.Ibcast(data, message.Length, mpi.Byte, root, mpi.World, &request), "MPI_Ibcast");
            Wait(request, $"the message of rank {root}", message.Length);
        }
    }

    /// <summary>Waits for a call of the library to be done.</summary>
    private void Wait(nint request, string what, long bytes)
    {
        var waiting = Waiting.Start();
        while (true)
        {
            waiting.Look();
            int done = 0;
            Check(mpi.Test(&request, &done, mpi.IgnoreStatus), $"MPI_Test, {what}");
            if (done != 0)
                return;
            if (waiting.Seconds > timeout?.TotalSeconds)
                throw Failed($"waited {waiting.Seconds:F1} s for {what}{(bytes > 0 ? $" ({bytes / 1e6:F1} MB)" : "")}, longer than the time limit");
            waiting.Pause();
        }
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
            throw new DistributedException($"rank {Rank} on {Host}: an earlier exchange has failed");
    }
}
