namespace Ds2.Runtime.Layers;

/// <summary>The valid frames of each utterance of a batch, on the host and on the engine.</summary>
/// <param name="engine">The engine that reads them.</param>
public sealed class FrameCounts(IEngine engine) : IDisposable
{
    private readonly GrowingIntTensor memory = new(engine);
    private int[] host = [];

    /// <summary>The counts, for the host.</summary>
    public ReadOnlySpan<int> Host => host;

    /// <summary>[N]: the counts, for ops.</summary>
    /// <exception cref="InvalidOperationException">None were set.</exception>
    public IntTensor Device => host.Length > 0 ? memory.As(new Shape(host.Length)) : throw new InvalidOperationException("no frame counts were set");

    /// <summary>Replaces the counts.</summary>
    public void Set(ReadOnlySpan<int> counts)
    {
        host = counts.ToArray();
        memory.As(new Shape(host.Length)).CopyFrom(host);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => memory.Dispose();
}
