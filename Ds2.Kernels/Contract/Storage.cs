namespace Ds2.Kernels.Contract;

/// <summary>A block of an engine's memory; tensors are windows into it.</summary>
/// <typeparam name="T">The element type: <see cref="float"/> or <see cref="int"/>.</typeparam>
/// <param name="engine">The engine whose memory it is.</param>
/// <param name="length">The number of elements.</param>
public abstract class Storage<T>(IEngine engine, int length) : IDisposable
    where T : unmanaged
{
    /// <summary>The engine whose memory this is.</summary>
    public IEngine Engine { get; } = engine;

    /// <summary>The number of elements.</summary>
    public int Length { get; } = length;

    /// <summary>How often the host has written to it.</summary>
    internal int HostWrites { get; private set; }

    /// <summary>All elements, where they lie in host memory; null elsewhere.</summary>
    internal virtual Memory<T>? HostElements => null;

    /// <summary>Counts a write by the host.</summary>
    internal void CountWrite() => HostWrites++;

    /// <summary>Copies from host memory; returns when <paramref name="source"/> may be reused.</summary>
    internal abstract void CopyFrom(int offset, ReadOnlySpan<T> source);

    /// <summary>Copies from host memory beside the queue; returns when <paramref name="source"/> may be reused.</summary>
    internal abstract void Prefetch(int offset, ReadOnlySpan<T> source);

    /// <summary>Waits for the work queued before, and copies to host memory.</summary>
    internal abstract void CopyTo(int offset, Span<T> destination);

    /// <summary>Queues a copy to host memory, done at the engine's next wait at the latest.</summary>
    internal abstract void CopyToLater(int offset, T[] destination);

    /// <summary>Sets a range to one value.</summary>
    internal abstract void Fill(int offset, int length, T value);

    /// <summary>Gives the memory back to the engine.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives the memory back to the engine; called at most usefully once, harmlessly again.</summary>
    protected abstract void Dispose(bool disposing);
}
