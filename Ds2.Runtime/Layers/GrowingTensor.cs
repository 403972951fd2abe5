namespace Ds2.Runtime.Layers;

/// <summary>Memory for a tensor whose size changes from batch to batch: it grows and never shrinks.</summary>
/// <typeparam name="T">The element type.</typeparam>
/// <param name="allocate">Takes memory from the engine.</param>
public abstract class GrowingTensor<T>(Func<Shape, Tensor<T>> allocate) : IDisposable
    where T : unmanaged
{
    private Tensor<T>? memory;

    /// <summary>The memory as a tensor of this shape; contents are undefined, windows given out before may be invalid.</summary>
    public Tensor<T> As(Shape shape)
    {
        if (memory is null || memory.Length < shape.Length)
        {
            // Where nobody reserved for the longest: batches come sorted by length, each a little longer than the last, and an eighth to spare keeps this rare.
            int previous = memory?.Length ?? 0;
            memory?.Dispose();
            memory = null;
            memory = allocate(new Shape((int)Math.Max(shape.Length, Math.Min(previous * 9L / 8, int.MaxValue))));
        }

        return memory.Slice(0, shape);
    }

    /// <summary>Takes memory for shapes of up to so many elements, now rather than when they come.</summary>
    public void Reserve(int elements)
    {
        if (elements > 0)
            As(new Shape(elements));
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        memory?.Dispose();
        memory = null;
        GC.SuppressFinalize(this);
    }
}

/// <summary>An activation whose size changes from batch to batch.</summary>
/// <param name="engine">The engine whose memory it takes.</param>
public sealed class GrowingTensor(IEngine engine) : GrowingTensor<float>(engine.Allocate);

/// <summary>Counts or labels whose number changes from batch to batch.</summary>
/// <param name="engine">The engine whose memory it takes.</param>
public sealed class GrowingIntTensor(IEngine engine) : GrowingTensor<int>(engine.AllocateInt);
