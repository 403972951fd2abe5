using System.Runtime.ExceptionServices;

namespace Ds2.Runtime.Data;

/// <summary>Makes items on background threads, ahead of the one who takes them, and hands them over in order.</summary>
/// <remarks>Item i waits in slot i mod capacity. A worker may start on item i only once item i - capacity has been taken, so a slot never holds two.</remarks>
/// <typeparam name="T">The item.</typeparam>
internal sealed class OrderedPrefetch<T> : IDisposable
    where T : class
{
    private readonly Func<int, CancellationToken, T> _make;
    private readonly int _end;
    private readonly (T? Item, ExceptionDispatchInfo? Fault)[] _slots;
    private readonly Thread[] _threads;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopped;
    private int _nextToMake, _nextToTake;

    /// <summary>Starts the workers.</summary>
    /// <param name="first">The first item.</param>
    /// <param name="end">One beyond the last item.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="capacity">Items that are in work or wait to be taken.</param>
    /// <param name="make">Makes an item; called on several threads at once.</param>
    public OrderedPrefetch(int first, int end, int workers, int capacity, Func<int, CancellationToken, T> make)
    {
        _make = make;
        _stopped = _stop.Token;
        _end = end;
        _nextToMake = _nextToTake = first;
        _slots = new (T?, ExceptionDispatchInfo?)[capacity];
        _threads = new Thread[Math.Clamp(end - first, 0, Math.Min(workers, capacity))];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"loader {i}" };
            _threads[i].Start();
        }
    }

    /// <summary>Waits for the next item. What its maker threw is thrown here.</summary>
    /// <returns>The item, or null after the last.</returns>
    public T? Take()
    {
        lock (_slots)
        {
            if (_nextToTake >= _end)
                return null;
            ref (T? Item, ExceptionDispatchInfo? Fault) slot = ref _slots[_nextToTake % _slots.Length];
            while (slot is (null, null))
            {
                _stopped.ThrowIfCancellationRequested();
                Monitor.Wait(_slots);
            }
            (T? item, ExceptionDispatchInfo? fault) = slot;
            slot = default;
            _nextToTake++;
            Monitor.PulseAll(_slots);
            fault?.Throw();
            return item;
        }
    }

    /// <summary>Stops the workers and waits until they have ended.</summary>
    public void Dispose()
    {
        lock (_slots)
        {
            _stop.Cancel();
            Monitor.PulseAll(_slots);
        }
        foreach (Thread thread in _threads)
            thread.Join();
        _stop.Dispose();
    }

    private void Work()
    {
        LowPriority.Enter();
        while (Claim() is int index)
        {
            (T? Item, ExceptionDispatchInfo? Fault) made;
            try
            {
                made = (_make(index, _stopped), null);
            }
            catch (Exception e)
            {
                made = (null, ExceptionDispatchInfo.Capture(e));
            }
            lock (_slots)
            {
                _slots[index % _slots.Length] = made;
                Monitor.PulseAll(_slots);
            }
        }
    }

    private int? Claim()
    {
        lock (_slots)
        {
            while (!_stopped.IsCancellationRequested && _nextToMake < _end && _nextToMake >= _nextToTake + _slots.Length)
                Monitor.Wait(_slots);
            return _stopped.IsCancellationRequested || _nextToMake >= _end ? null : _nextToMake++;
        }
    }
}
