namespace Ds2.Runtime.Distributed;

/// <summary>The host's memory, in which sums are done when they return.</summary>
internal sealed class HostExchangeMemory : IExchangeMemory
{
    /// <inheritdoc/>
    /// <remarks>What is added up at once stays in the first-level cache.</remarks>
    public int Block => 2048;

    /// <inheritdoc/>
    public Memory<float> Allocate(int length) => GC.AllocateUninitializedArray<float>(length, pinned: true);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The engine's memory is not the host's.</exception>
    public Memory<float> Of(Tensor tensor) => tensor.HostMemory ?? throw new ArgumentException($"{tensor.Engine.Name}: a tensor that is not in the host's memory", nameof(tensor));

    /// <inheritdoc/>
    public Action Mark() => () => { };

    /// <inheritdoc/>
    public void Add(ReadOnlyMemory<float> a, ReadOnlyMemory<float> b, Memory<float> sum) => VectorSum.Add(a.Span, b.Span, sum.Span);

    /// <inheritdoc/>
    public void Copy(ReadOnlyMemory<float> x, Memory<float> copy) => x.CopyTo(copy);

    /// <inheritdoc/>
    public void Complete()
    {
        // They are done.
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The collector takes it back.
    }
}
