using System.Runtime.InteropServices;

namespace Ds2.Runtime.Safetensors;

/// <summary>Fills a part of a tensor's data.</summary>
/// <typeparam name="T">The element type.</typeparam>
/// <param name="offset">The row-major index of the part's first element.</param>
/// <param name="part">Where to put the elements; all of it is to be overwritten.</param>
public delegate void SafetensorsFill<T>(int offset, Span<T> part)
    where T : unmanaged;

/// <summary>Takes the next bytes of a file.</summary>
/// <param name="bytes">To be used before it returns.</param>
internal delegate void SafetensorsSink(ReadOnlySpan<byte> bytes);

/// <summary>One tensor on its way into a safetensors file: its name, type and shape, and where its data come from.</summary>
/// <remarks>Data are asked for in parts of at most <see cref="PartBytes"/>, so that writing a model needs no second copy of it.</remarks>
public sealed class SafetensorsEntry
{
    /// <summary>The most bytes asked for at once.</summary>
    public const int PartBytes = 1 << 20;

    private readonly Action<SafetensorsSink> write;

    private SafetensorsEntry(string name, SafetensorsType type, int[] shape, Action<SafetensorsSink> write)
    {
        Name = name;
        Type = type;
        Shape = shape;
        this.write = write;
    }

    /// <summary>The tensor's name, unique in its file.</summary>
    public string Name { get; }

    /// <summary>The element type.</summary>
    public SafetensorsType Type { get; }

    /// <summary>The sizes, outermost first; none for a scalar.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>An entry whose data lie in host memory.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="shape">The sizes, outermost first; empty for a scalar.</param>
    /// <param name="data">The elements in row-major order; read when the file is written.</param>
    /// <exception cref="ArgumentException">The data are not as long as the shape says.</exception>
    public static SafetensorsEntry Of<T>(string name, int[] shape, ReadOnlyMemory<T> data)
        where T : unmanaged
    {
        if (data.Length != Elements(name, shape))
            throw new ArgumentException($"{name}: {data.Length} elements for the shape [{string.Join(", ", shape)}]", nameof(data));
        return new SafetensorsEntry(name, SafetensorsTypes.Of<T>(), shape, sink => sink(MemoryMarshal.AsBytes(data.Span)));
    }

    /// <summary>An entry whose data are asked for in parts, in order, when the file is written.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="shape">The sizes, outermost first; empty for a scalar.</param>
    /// <param name="fill">Fills each part.</param>
    public static SafetensorsEntry Of<T>(string name, int[] shape, SafetensorsFill<T> fill)
        where T : unmanaged
    {
        int elements = Elements(name, shape);
        return new SafetensorsEntry(name, SafetensorsTypes.Of<T>(), shape, sink =>
        {
            var buffer = new T[Math.Min(elements, PartBytes / Marshal.SizeOf<T>())];
            for (int offset = 0; offset < elements; offset += buffer.Length)
            {
                Span<T> part = buffer.AsSpan(0, Math.Min(buffer.Length, elements - offset));
                fill(offset, part);
                sink(MemoryMarshal.AsBytes(part));
            }
        });
    }

    /// <summary>An entry that copies a tensor from its engine, in parts, when the file is written.</summary>
    /// <param name="name">The tensor's name in the file.</param>
    /// <param name="tensor">The tensor; it must live until then.</param>
    public static SafetensorsEntry Of<T>(string name, Tensor<T> tensor)
        where T : unmanaged
    {
        var shape = new int[tensor.Shape.Rank];
        for (int i = 0; i < shape.Length; i++)
            shape[i] = tensor.Shape[i];
        return Of<T>(name, shape, (offset, part) => tensor.Slice(offset, new Shape(part.Length)).CopyTo(part));
    }

    /// <summary>The bytes that the data take in the file.</summary>
    internal long Bytes => (long)Elements(Name, Shape) * Type.Size();

    /// <summary>Hands the data over, from the first to the last.</summary>
    internal void Write(SafetensorsSink sink) => write(sink);

    private static int Elements(string name, IReadOnlyList<int> shape)
    {
        int elements = 1;
        foreach (int size in shape)
        {
            if (size < 0)
                throw new ArgumentException($"{name}: the shape [{string.Join(", ", shape)}] has a negative size", nameof(shape));
            elements = checked(elements * size);
        }
        return elements;
    }
}
