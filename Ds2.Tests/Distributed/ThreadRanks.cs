using System.Diagnostics.CodeAnalysis;
using Ds2.Runtime.Distributed;

namespace Ds2.Tests.Distributed;

/// <summary>Ranks that are threads of this process: what MPI moves between processes is copied here. A rank that fails ends the others' calls, as MPI's abort does.</summary>
internal sealed class ThreadRanks : IDisposable
{
    private readonly int ranks;
    private readonly Barrier barrier;
    private readonly CancellationTokenSource failed = new();
    private readonly object?[] slots;

    private ThreadRanks(int ranks) => (this.ranks, barrier, slots) = (ranks, new Barrier(ranks), new object?[ranks]);

    /// <summary>Runs the same on every rank and returns what each gives; throws what the first that failed threw.</summary>
    public static T[] Run<T>(int ranks, Func<ICommunicator, T> action)
    {
        using var all = new ThreadRanks(ranks);
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

        public ITransfer StartAllToAll(ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received)
        {
            float[][] stretches = all.Meet(rank, (Values: send.ToArray(), Sent: sent.ToArray()), shown => shown.Select(of => of.Values.AsSpan(of.Sent[rank].Offset, of.Sent[rank].Length).ToArray()).ToArray());
            for (int sender = 0; sender < stretches.Length; sender++)
                Assert.That(stretches[sender], Has.Length.EqualTo(received[sender].Length), "what one sends the other expects");
            return new Transfer(stretches, receive, received.ToArray());
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
    private sealed class Transfer(float[][] stretches, Memory<float> receive, Stretch[] received) : ITransfer
    {
        public void Wait()
        {
            for (int sender = 0; sender < stretches.Length; sender++)
                stretches[sender].CopyTo(receive[received[sender].Offset..]);
        }
    }
}
