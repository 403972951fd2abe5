using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Ds2.Runtime.Distributed;

namespace Ds2.Tests.Distributed;

/// <summary>Ranks that are threads of this process: what MPI moves between processes is copied here. A rank that fails ends the others' calls, as MPI's abort does.</summary>
internal sealed class ThreadRanks : IDisposable
{
    private readonly int ranks;
    private readonly PointerCopy? copy;
    private readonly Barrier barrier;
    private readonly CancellationTokenSource failed = new();
    private readonly object?[] slots;

    private ThreadRanks(int ranks, PointerCopy? copy) => (this.ranks, this.copy, barrier, slots) = (ranks, copy, new Barrier(ranks), new object?[ranks]);

    /// <summary>Copies between memory of the host or a device, by its addresses.</summary>
    public unsafe delegate void PointerCopy(float* source, float* destination, int length);

    /// <summary>Runs the same on every rank and returns what each gives; throws what the first that failed threw.</summary>
    /// <param name="ranks">How many.</param>
    /// <param name="action">What each does.</param>
    /// <param name="copy">Moves what is exchanged, as a library does that takes device pointers; null for ranks that take the host's memory alone.</param>
    public static T[] Run<T>(int ranks, Func<ICommunicator, T> action, PointerCopy? copy = null)
    {
        using var all = new ThreadRanks(ranks, copy);
        var results = new T[ranks];
        Exception? fault = null;
        Thread[] threads =
        [
            .. Enumerable.Range(0, ranks).Select(rank => new Thread(() =>
            {
                try
                {
                    results[rank] = action(new Communicator(all, rank));
                }
                catch (Exception exception)
                {
                    if (exception is not OperationCanceledException || !all.failed.IsCancellationRequested)
                        Interlocked.CompareExchange(ref fault, exception, null);
                    all.failed.Cancel();
                }
            })),
        ];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        if (fault is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(fault);
        return results;
    }

    public void Dispose()
    {
        barrier.Dispose();
        failed.Dispose();
    }

    /// <summary>Everyone shows what it has; everyone takes what it needs of it; then all go on.</summary>
    private TResult Meet<TShown, TResult>(int rank, TShown shown, Func<TShown[], TResult> take)
    {
        slots[rank] = shown;
        barrier.SignalAndWait(failed.Token);
        TResult result = take([.. slots.Select(slot => (TShown)slot!)]);
        barrier.SignalAndWait(failed.Token);
        return result;
    }

    private sealed class Communicator(ThreadRanks all, int rank) : ICommunicator
    {
        public int Rank => rank;

        public int Ranks => all.ranks;

        public int LocalRank => rank;

        public string Host => "threads";

        public bool IsPatient { get; set; }

        public bool TakesDeviceMemory => all.copy is not null;

        public ITransfer StartAllToAll(ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received)
        {
            float[][] stretches = all.Meet(rank, (Values: ToArray(send), Sent: sent.ToArray()), shown => shown.Select(of => of.Values.AsSpan(of.Sent[rank].Offset, of.Sent[rank].Length).ToArray()).ToArray());
            for (int sender = 0; sender < stretches.Length; sender++)
                Assert.That(stretches[sender], Has.Length.EqualTo(received[sender].Length), "what one sends the other expects");
            return new Transfer(stretches, receive, received.ToArray(), all.copy);
        }

        private unsafe float[] ToArray(ReadOnlyMemory<float> memory)
        {
            if (all.copy is null)
                return memory.ToArray();
            var array = new float[memory.Length];
            using MemoryHandle pinned = memory.Pin();
            fixed (float* values = array)
                all.copy((float*)pinned.Pointer, values, array.Length);
            return array;
        }

        public byte[][] AllGather(ReadOnlySpan<byte> message) => all.Meet(rank, message.ToArray(), shown => shown.Select(of => of.ToArray()).ToArray());

        public byte[] Broadcast(byte[]? message, int root) => all.Meet(rank, message, shown => shown[root]!.ToArray());

        public void Barrier() => all.Meet(rank, 0, _ => 0);

        public void GiveUp() => all.failed.Cancel();

        [DoesNotReturn]
        public void Abort(int exitCode) => throw new InvalidOperationException($"rank {rank} aborts with {exitCode}");

        public void Dispose()
        {
        }
    }

    /// <summary>What was received shows at the end, and not before.</summary>
    private sealed class Transfer(float[][] stretches, Memory<float> receive, Stretch[] received, PointerCopy? copy) : ITransfer
    {
        public unsafe void Wait()
        {
            using MemoryHandle pinned = copy is null ? default : receive.Pin();
            for (int sender = 0; sender < stretches.Length; sender++)
            {
                if (copy is null)
                {
                    stretches[sender].CopyTo(receive[received[sender].Offset..]);
                    continue;
                }

                fixed (float* values = stretches[sender])
                    copy(values, (float*)pinned.Pointer + received[sender].Offset, stretches[sender].Length);
            }
        }
    }
}
