namespace Ds2.Kernels.Contract;

/// <summary>A contiguous, row-major array of one to four dimensions in an engine's memory.</summary>
/// <remarks>
/// The solution names its two instances <c>Tensor</c> (fp32: activations, parameters, gradients) and <c>IntTensor</c>
/// (int32: frame counts, labels). What the axes mean is said by whoever declares a tensor, as <c>[T, N, C]</c>.
/// A tensor made by an engine owns its storage; one made by <see cref="Slice"/> or <see cref="Reshape"/> shares it and disposes nothing.
/// </remarks>
/// <typeparam name="T">The element type.</typeparam>
public sealed class Tensor<T> : IDisposable
    where T : unmanaged
{
    private readonly bool ownsStorage;

    /// <summary>A tensor that owns the whole of a storage.</summary>
    /// <exception cref="ArgumentException">The storage is shorter than the shape.</exception>
    internal Tensor(Storage<T> storage, Shape shape)
        : this(storage, 0, shape, ownsStorage: true)
    {
    }

    private Tensor(Storage<T> storage, int offset, Shape shape, bool ownsStorage)
    {
        if (offset < 0 || offset > storage.Length - shape.Length)
            throw new ArgumentException($"{shape} at offset {offset} does not fit a storage of {storage.Length} elements");
        Storage = storage;
        Offset = offset;
        Shape = shape;
        this.ownsStorage = ownsStorage;
    }

    /// <summary>The engine in whose memory the elements lie.</summary>
    public IEngine Engine => Storage.Engine;

    /// <summary>The sizes.</summary>
    public Shape Shape { get; }

    /// <summary>The number of elements.</summary>
    public int Length => Shape.Length;

    /// <summary>Changes whenever <see cref="CopyFrom"/>, <see cref="Prefetch"/> or <see cref="Fill"/> writes to the memory that this tensor is a window of. What ops write does not show.</summary>
    public int HostWrites => Storage.HostWrites;

    /// <summary>The elements where they lie, of an engine whose memory is the host's; null of others.</summary>
    /// <remarks>For whoever moves them beside the engine, as between processes: it must be done with the work that uses them (<see cref="IEngine.Synchronize"/>). Valid while the storage lives. Writes do not show in <see cref="HostWrites"/>.</remarks>
    public Memory<T>? HostMemory => Storage.HostElements?.Slice(Offset, Length);

    /// <summary>The memory that the elements are part of.</summary>
    internal Storage<T> Storage { get; }

    /// <summary>The first element's index in <see cref="Storage"/>.</summary>
    internal int Offset { get; }

    /// <summary>A window of the same memory that starts <paramref name="offset"/> elements into this tensor.</summary>
    /// <remarks>Keep offsets a multiple of 64 elements: GPU kernels load 128 bits, host kernels a cache line at a time.</remarks>
    /// <exception cref="ArgumentException">It would end after this tensor.</exception>
    public Tensor<T> Slice(int offset, Shape shape)
    {
        if (offset < 0 || offset > Length - shape.Length)
            throw new ArgumentException($"a slice {shape} at offset {offset} does not fit a tensor {Shape}");
        return new Tensor<T>(Storage, Offset + offset, shape, ownsStorage: false);
    }

    /// <summary>The same elements under another shape of the same length.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public Tensor<T> Reshape(Shape shape)
    {
        if (shape.Length != Length)
            throw new ArgumentException($"a tensor {Shape} has {Length} elements and cannot be seen as {shape}");
        return new Tensor<T>(Storage, Offset, shape, ownsStorage: false);
    }

    /// <summary>Copies all elements from host memory, in row-major order; ops called later see them. <paramref name="source"/> may change at once.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void CopyFrom(ReadOnlySpan<T> source)
    {
        CheckLength(source.Length);
        if (Length == 0)
            return;
        Storage.CountWrite();
        Storage.CopyFrom(Offset, source);
    }

    /// <summary>As <see cref="CopyFrom"/>, but while the ops called so far still run: none of them may use this tensor.</summary>
    /// <remarks>The values are there for ops called after <see cref="IEngine.AwaitPrefetch"/>. <paramref name="source"/> may change at once.</remarks>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void Prefetch(ReadOnlySpan<T> source)
    {
        CheckLength(source.Length);
        if (Length == 0)
            return;
        Storage.CountWrite();
        Storage.Prefetch(Offset, source);
    }

    /// <summary>Waits for the engine and copies all elements to host memory, in row-major order.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void CopyTo(Span<T> destination)
    {
        CheckLength(destination.Length);
        if (Length > 0)
            Storage.CopyTo(Offset, destination);
    }

    /// <summary>Has all elements copied to host memory, as the ops called so far leave them, by the engine's next <see cref="IEngine.Synchronize"/>.</summary>
    /// <remarks>So one wait serves several small results. For large tensors it may wait at once.</remarks>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void CopyToLater(T[] destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        CheckLength(destination.Length);
        if (Length > 0)
            Storage.CopyToLater(Offset, destination);
    }

    /// <summary>Waits for the engine and returns a copy of all elements, in row-major order.</summary>
    public T[] ToArray()
    {
        var copy = new T[Length];
        CopyTo(copy);
        return copy;
    }

    /// <summary>Sets every element to one value.</summary>
    public void Fill(T value)
    {
        if (Length == 0)
            return;
        Storage.CountWrite();
        Storage.Fill(Offset, Length, value);
    }

    /// <summary>Whether two tensors share an element's memory.</summary>
    public bool Overlaps(Tensor<T> other) =>
        ReferenceEquals(Storage, other.Storage) && Offset < other.Offset + other.Length && other.Offset < Offset + Length;

    /// <summary>Whether two tensors are the same elements, whatever their shapes.</summary>
    public bool SharesAllWith(Tensor<T> other) =>
        ReferenceEquals(Storage, other.Storage) && Offset == other.Offset && Length == other.Length;

    /// <summary>Gives the storage back if this tensor owns it.</summary>
    public void Dispose()
    {
        if (ownsStorage)
            Storage.Dispose();
    }

    /// <summary>Refuses host memory of another length.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    internal void CheckLength(int elements)
    {
        if (elements != Length)
            throw new ArgumentException($"a tensor {Shape} has {Length} elements, not {elements}");
    }
}
