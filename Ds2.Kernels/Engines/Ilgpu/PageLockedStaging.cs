using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Page-locked host memory through which small copies pass the queue without the host waiting for them.</summary>
/// <remarks>
/// A driver copies from and to pageable memory only while the host waits; page-locked memory takes part in the queue as a kernel does. Pieces are given
/// out one after the other, and are all free again once the queue is empty.
/// </remarks>
/// <param name="accelerator">The device.</param>
/// <param name="stream">Its queue.</param>
internal sealed class PageLockedStaging(Accelerator accelerator, AcceleratorStream stream) : IDisposable
{
    // A batch's texts, frame counts, losses and norm are a few KB.
    private const int Capacity = 1 << 18;
    private const int Alignment = 64;

    private readonly PageLockedArray1D<byte> memory = accelerator.AllocatePageLocked1D<byte>(Capacity);
    private readonly List<Action> arrivals = [];
    private int taken;

    /// <summary>Queues a copy to the device; the source may change at once. False, and nothing done, where there is no room.</summary>
    public bool TryCopyFrom<T>(ArrayView<T> destination, ReadOnlySpan<T> source)
        where T : unmanaged
    {
        Span<T> piece = Take<T>(source.Length);
        if (piece.Length < source.Length)
            return false;
        source.CopyTo(piece);
        destination.CopyFromCPUUnsafeAsync(stream, ref piece[0], piece.Length);
        return true;
    }

    /// <summary>Queues a copy to the host, which has the values after <see cref="Arrive"/>. False, and nothing done, where there is no room.</summary>
    public bool TryCopyTo<T>(ArrayView<T> source, T[] destination)
        where T : unmanaged
    {
        int start = taken;
        Span<T> piece = Take<T>(destination.Length);
        if (piece.Length < destination.Length)
            return false;
        source.CopyToCPUUnsafeAsync(stream, ref piece[0], piece.Length);
        arrivals.Add(() => MemoryMarshal.Cast<byte, T>(memory.Span[start..])[..destination.Length].CopyTo(destination));
        return true;
    }

    /// <summary>The queue is empty: hands out what came to the host, and starts over.</summary>
    public void Arrive()
    {
        foreach (Action arrival in arrivals)
            arrival();
        arrivals.Clear();
        taken = 0;
    }

    public void Dispose() => memory.Dispose();

    /// <summary>The next piece, empty where it would not fit.</summary>
    private Span<T> Take<T>(int length)
        where T : unmanaged
    {
        long bytes = (long)length * Interop.SizeOf<T>();
        if (bytes > Capacity - taken)
            return [];
        Span<T> piece = MemoryMarshal.Cast<byte, T>(memory.Span.Slice(taken, (int)bytes));
        taken = Math.Min((int)(taken + bytes + Alignment - 1) / Alignment * Alignment, Capacity);
        return piece;
    }
}
