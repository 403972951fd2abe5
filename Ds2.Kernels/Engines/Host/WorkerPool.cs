using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>A fixed set of threads that ops split their loops over; the calling thread is worker 0.</summary>
/// <remarks>
/// Between two ops a worker spins briefly, then sleeps: most ops take longer than a wake-up, and a spinning thread would take the core
/// from a busy neighbour. A worker that has not woken up when the work is done, because the op is small or its core is taken, is not waited for.
/// Which worker runs which index may vary; what an index computes must not depend on it.
/// </remarks>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinsBeforeSleep = 2000;
    private const int SpinsBeforeYield = 2000;

    // What a worker is to do with the body: nothing, begin, or it has begun.
    private const int Idle = 0;
    private const int Offered = 1;
    private const int Begun = 2;

    private readonly Thread[] threads;
    private readonly SemaphoreSlim[] wake;
    private readonly int[] offers;
    private readonly Taken[] taken;
    private Action<int>? body;
    private volatile bool stopping;
    private int busy;
    private int arrived;
    private volatile int passed;
    private volatile int end;
    private int together;
    private volatile Exception? failure;
    private float* scratch;
    private nint scratchLength;

    public WorkerPool(int threadCount)
    {
        Threads = threadCount;
        Width = new RegionWidth(threadCount);
        wake = new SemaphoreSlim[threadCount - 1];
        offers = new int[threadCount - 1];
        taken = new Taken[threadCount];
        threads = new Thread[threadCount - 1];
        for (int i = 0; i < threads.Length; i++)
        {
            int worker = i + 1;
            wake[i] = new SemaphoreSlim(0);
            threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"ds2 worker {worker}" };
            threads[i].Start();
        }
    }

    /// <summary>The number of workers, the calling thread included.</summary>
    public int Threads { get; }

    /// <summary>How many of them work at a time.</summary>
    public RegionWidth Width { get; }

    /// <summary>Calls <paramref name="work"/> for each part of each phase: all parts of a phase at the same time, and after all of the phase before.</summary>
    /// <remarks>
    /// There are as many parts as <see cref="Threads"/>, however many work; each thread does some. Cheap enough for every frame of a recurrence. What one part wrote,
    /// every part of the next phase sees.
    /// </remarks>
    /// <param name="count">The phases.</param>
    /// <param name="work">Takes the part's number and the phase's.</param>
    /// <exception cref="InvalidOperationException">The workers are at work: the call comes from inside it, or from a second thread.</exception>
    /// <exception cref="AggregateException">A call of <paramref name="work"/> threw, this.</exception>
    public void Phases(int count, Action<int, int> work)
    {
        Begin();
        try
        {
            Width.Enter();
            for (int next = 0; next < count; next = end)
            {
                int first = next;
                end = count;
                together = Width.Threads;
                Start(thread => Phases(first, thread, work), together, everyone: true);
            }
        }
        finally
        {
            Volatile.Write(ref busy, 0);
        }
    }

    /// <summary>Calls <paramref name="work"/> for each index of 0..count-1; see the other overload.</summary>
    public void For(int count, Action<int> work) => For(count, (_, index) => work(index));

    /// <summary>Calls <paramref name="work"/> with a worker's number and each index of 0..count-1.</summary>
    /// <remarks>
    /// A worker takes its own share of the range first, the same in each call of that count, so that it finds in its caches what it left there in the op
    /// before; who is done helps the others. A call from inside the work would take the workers' shares from them: it is refused, whatever the counts.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The workers are at work: the call comes from inside it, or from a second thread.</exception>
    /// <exception cref="AggregateException">With several threads: a call of <paramref name="work"/> threw, this.</exception>
    public void For(int count, Action<int, int> work)
    {
        Begin();
        try
        {
            if (count > 1 && Threads > 1)
            {
                Share(count, work);
                return;
            }

            for (int i = 0; i < count; i++)
                work(0, i);
        }
        finally
        {
            Volatile.Write(ref busy, 0);
        }
    }

    /// <summary>Memory for one op at a time, kept from call to call: packed operands and partial sums. Its contents are undefined.</summary>
    /// <param name="length">The fp32 elements needed.</param>
    /// <returns>The first element, on a cache line of its own.</returns>
    public float* Scratch(nint length)
    {
        if (length > scratchLength)
        {
            HostMemory.Free(scratch);
            scratch = null;
            scratchLength = 0;
            scratch = (float*)HostMemory.Allocate((nuint)length * sizeof(float));
            scratchLength = length;
        }

        return scratch;
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        if (stopping)
            return;
        stopping = true;
        foreach (SemaphoreSlim semaphore in wake)
            semaphore.Release();
        foreach (Thread thread in threads)
            thread.Join();
        foreach (SemaphoreSlim semaphore in wake)
            semaphore.Dispose();
        HostMemory.Free(scratch);
        scratch = null;
    }

    private void Begin()
    {
        if (Interlocked.Exchange(ref busy, 1) != 0)
            throw new InvalidOperationException("the workers are at work: Phases and For serve one thread at a time, and not from inside their work");
    }

    // One thread's parts of the phases, up to the one before which the number of threads changes. Thread 0 sets that before it ends a phase, so all see the same.
    private void Phases(int phase, int thread, Action<int, int> work)
    {
        int first = FirstOfShare(Threads, thread, together), last = FirstOfShare(Threads, thread + 1, together);
        long start = Stopwatch.GetTimestamp();
        for (; phase < end; phase++)
        {
            for (int part = first; part < last; part++)
                work(part, phase);
            if (thread == 0 && Threads > 1)
            {
                long now = Stopwatch.GetTimestamp();
                Width.Add(Stopwatch.GetElapsedTime(start, now).TotalSeconds);
                start = now;
                if (Width.Threads != together)
                    end = phase + 1;
            }

            Barrier();
        }
    }

    // Waits until every thread that works has come here; then all go on.
    private void Barrier()
    {
        if (together == 1)
            return;
        int current = passed;
        if (Interlocked.Increment(ref arrived) == together)
        {
            arrived = 0;
            passed = current + 1;
            return;
        }

        for (int spins = 0; passed == current; spins++)
            Pause(spins);
    }

    private void Share(int count, Action<int, int> work)
    {
        for (int share = 0; share < Threads; share++)
            taken[share].Count = FirstOfShare(count, share, Threads);
        Start(threads: Width.Threads, everyone: false, work: worker =>
        {
            for (int turn = 0; turn < Threads; turn++)
            {
                int share = (worker + turn) % Threads, end = FirstOfShare(count, share + 1, Threads);
                for (long i = Interlocked.Increment(ref taken[share].Count) - 1; i < end; i = Interlocked.Increment(ref taken[share].Count) - 1)
                    work(worker, (int)i);
            }
        });
    }

    private static int FirstOfShare(int count, int share, int shares) => (int)((long)count * share / shares);

    private void Work(int worker)
    {
        SemaphoreSlim mine = wake[worker - 1];
        while (true)
        {
            for (int i = 0; i < SpinsBeforeSleep && mine.CurrentCount == 0; i++)
                Thread.SpinWait(1);
            mine.Wait();
            if (stopping)
                return;
            if (Interlocked.CompareExchange(ref offers[worker - 1], Begun, Offered) != Offered)
                continue;
            Execute(body!, worker);
            Volatile.Write(ref offers[worker - 1], Idle);
        }
    }

    // Calls the work on the calling thread (worker 0) and on every worker; or, if they are not all needed, on those that come before that call returns.
    private void Start(Action<int> work, int threads, bool everyone)
    {
        failure = null;
        arrived = 0;
        body = work;
        for (int i = 0; i < threads - 1; i++)
        {
            // A full fence: the worker takes a token, then looks for an offer; the offer must be seen before the token is looked for here, else a worker that
            // takes an old token between the two finds no offer and gets no token.
            Interlocked.Exchange(ref offers[i], Offered);
            if (wake[i].CurrentCount == 0)
                wake[i].Release();
        }

        Execute(work, 0);
        for (int i = 0; i < threads - 1; i++)
        {
            if (!everyone && Interlocked.CompareExchange(ref offers[i], Idle, Offered) == Offered)
                continue;
            var spin = default(SpinWait);
            while (Volatile.Read(ref offers[i]) != Idle)
                spin.SpinOnce(sleep1Threshold: -1);
        }

        body = null;
        if (failure is not null)
            throw new AggregateException(failure);
    }

    // A neighbour may hold the core of the worker that is waited for: spin for microseconds, then let it run.
    private void Pause(int spins)
    {
        if (failure is not null)
            throw new OperationCanceledException("another worker failed");
        if (spins < SpinsBeforeYield)
            Thread.SpinWait(1);
        else
            Thread.Yield();
    }

    private void Execute(Action<int> work, int worker)
    {
        try
        {
            work(worker);
        }
#pragma warning disable CA1031 // Rethrown on the calling thread: a worker must not end the process.
        catch (Exception exception)
#pragma warning restore CA1031
        {
#pragma warning disable CS0420 // Interlocked orders the access by itself.
            Interlocked.CompareExchange(ref failure, exception, null);
#pragma warning restore CS0420
        }
    }

    /// <summary>The next index of a worker's share, alone in its cache lines: the prefetcher fetches them in pairs.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct Taken
    {
        public long Count;
    }
}
