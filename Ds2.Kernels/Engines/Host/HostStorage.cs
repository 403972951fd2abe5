using System.Buffers;
using System.Runtime.InteropServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>Host memory outside the garbage-collected heap, aligned to cache lines (and so to 512-bit vectors).</summary>
/// <remarks>The owner gives it back by disposing; there is no finalizer, which could free it while an op works on its pointer.</remarks>
internal sealed unsafe class HostStorage<T> : Storage<T>
    where T : unmanaged
{
    private readonly bool isOwn;

    public HostStorage(IEngine engine, int length)
        : base(engine, length)
    {
        nuint bytes = (nuint)length * (nuint)sizeof(T);
        Pointer = (T*)HostMemory.Allocate(bytes);
        NativeMemory.Clear(Pointer, bytes);
        isOwn = true;
    }

    /// <summary>Memory that somebody else has mapped, and gives back after this storage's end.</summary>
    public HostStorage(IEngine engine, int length, T* mapped)
        : base(engine, length) => Pointer = mapped;

    /// <summary>The first element; null after disposal.</summary>
    public T* Pointer { get; private set; }

    internal override Memory<T>? HostElements => new Window(this).Memory;

    internal override void CopyFrom(int offset, ReadOnlySpan<T> source) => source.CopyTo(Span(offset, source.Length));

    internal override void CopyTo(int offset, Span<T> destination) => Span(offset, destination.Length).CopyTo(destination);

    internal override void Prefetch(int offset, ReadOnlySpan<T> source) => CopyFrom(offset, source);

    internal override void CopyToLater(int offset, T[] destination) => CopyTo(offset, destination);

    internal override void Fill(int offset, int length, T value) => Span(offset, length).Fill(value);

    protected override void Dispose(bool disposing)
    {
        if (Pointer is null)
            return;
        if (isOwn)
            HostMemory.Free(Pointer);
        Pointer = null;
    }

    private Span<T> Span(int offset, int length)
    {
        ObjectDisposedException.ThrowIf(Pointer is null, this);
        return new Span<T>(Pointer + offset, length);
    }

    /// <summary>The block as the base library hands memory about.</summary>
    private sealed class Window(HostStorage<T> storage) : MemoryManager<T>
    {
        public override Span<T> GetSpan() => storage.Span(0, storage.Length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(storage.Pointer + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
