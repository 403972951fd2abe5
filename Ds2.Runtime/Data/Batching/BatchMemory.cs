using System.Collections.Concurrent;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Memory for the features of batches that is used again: arrays of their size come from a part of the heap that only full collections tidy up. Threads may share it.</summary>
internal sealed class BatchMemory
{
    private readonly ConcurrentBag<float[]> free = [];

    /// <summary>An array of at least so many elements, of any content.</summary>
    public float[] Rent(int length)
    {
        if (free.TryTake(out float[]? array) && array.Length >= length)
            return array;
        // Batches come sorted by length, each a little longer than the last; one that was too short is left to the collector.
        return GC.AllocateUninitializedArray<float>((int)Math.Min(length + length / 8L, Array.MaxLength));
    }

    /// <summary>Takes an array back that nobody looks at any more.</summary>
    public void Return(float[] array) => free.Add(array);
}
