using System.Runtime.ExceptionServices;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Makes items on background threads, ahead of the one who takes them, and hands them over in order.</summary>
/// <remarks>Item i waits in slot i mod capacity. A worker may start on item i only once item i - capacity has been taken, so a slot never holds two.</remarks>
/// <typeparam name="T">The item.</typeparam>
internal sealed class OrderedPrefetch<T> : IDisposable
    where T : class
{
    private readonly Func<int, CancellationToken, T> make;
    private readonly int end;
    private readonly (T? Item, ExceptionDispatchInfo? Fault)[] slots;
    private readonly Thread[] threads;
    private readonly CancellationTokenSource stop = new();
    private readonly CancellationToken stopped;
    private int nextToMake, nextToTake;

    /// <summary>Starts the workers.</summary>
    /// <param name="first">The first item.</param>
    /// <param name="end">One beyond the last item.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="capacity">Items that are in work or wait to be taken.</param>
    /// <param name="make">Makes an item; called on several threads at once.</param>
    public OrderedPrefetch(int first, int end, int workers, int capacity, Func<int, CancellationToken, T> make)
    {
        this.make = make;
        stopped = stop.Token;
        this.end = end;
        nextToMake = nextToTake = first;
        slots = new (T?, ExceptionDispatchInfo?)[capacity];
        threads = new Thread[Math.Clamp(end - first, 0, Math.Min(workers, capacity))];
        for (int i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(Work) { IsBackground = true, Name = $"loader {i}" };
            threads[i].Start();
        }
    }

    /// <summary>Waits for the next item. What its maker threw is thrown here.</summary>
    /// <returns>The item, or null after the last.</returns>
    public T? Take()
    {
        lock (slots)
        {
            if (nextToTake >= end)
                return null;
            ref (T? Item, ExceptionDispatchInfo? Fault) slot = ref slots[nextToTake % slots.Length];
            while (slot is (null, null))
            {
                stopped.ThrowIfCancellationRequested();
                Monitor.Wait(slots);
            }
            (T? item, ExceptionDispatchInfo? fault) = slot;
            slot = default;
            nextToTake++;
            Monitor.PulseAll(slots);
            fault?.Throw();
            return item;
        }
    }

    /// <summary>Stops the workers and waits until they have ended.</summary>
    public void Dispose()
    {
        lock (slots)
        {
            stop.Cancel();
            Monitor.PulseAll(slots);
        }
        foreach (Thread thread in threads)
            thread.Join();
        stop.Dispose();
    }

    private void Work()
    {
        LowPriority.Enter();
        while (Claim() is int index)
        {
            (T? Item, ExceptionDispatchInfo? Fault) made;
            try
            {
                made = (make(index, stopped), null);
            }
            catch (Exception e)
            {
                made = (null, ExceptionDispatchInfo.Capture(e));
            }
            lock (slots)
            {
                slots[index % slots.Length] = made;
                Monitor.PulseAll(slots);
            }
        }
    }

    private int? Claim()
    {
        lock (slots)
        {
            while (!stopped.IsCancellationRequested && nextToMake < end && nextToMake >= nextToTake + slots.Length)
                Monitor.Wait(slots);
            return stopped.IsCancellationRequested || nextToMake >= end ? null : nextToMake++;
        }
    }
}
