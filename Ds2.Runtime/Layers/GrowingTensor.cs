namespace Ds2.Runtime.Layers;

/// <summary>Memory for an activation whose size changes from batch to batch: it grows and never shrinks.</summary>
/// <param name="engine">The engine whose memory it takes.</param>
public sealed class GrowingTensor(IEngine engine) : IDisposable
{
    private Tensor? memory;

    /// <summary>The memory as a tensor of this shape; contents are undefined, windows given out before may be invalid.</summary>
    public Tensor As(Shape shape)
    {
        if (memory is null || memory.Length < shape.Length)
        {
            // Batches come sorted by length, each a little longer than the last: an eighth to spare keeps this rare.
            int previous = memory?.Length ?? 0;
            memory?.Dispose();
            memory = null;
            memory = engine.Allocate(new Shape((int)Math.Max(shape.Length, Math.Min(previous * 9L / 8, int.MaxValue))));
        }

        return memory.Slice(0, shape);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => memory?.Dispose();
}
