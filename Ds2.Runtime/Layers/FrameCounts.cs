namespace Ds2.Runtime.Layers;

/// <summary>The valid frames of each utterance of a batch, on the host and on the engine.</summary>
/// <param name="engine">The engine that reads them.</param>
public sealed class FrameCounts(IEngine engine) : IDisposable
{
    private IntTensor? memory;
    private int[] host = [];

    /// <summary>The counts, for the host.</summary>
    public ReadOnlySpan<int> Host => host;

    /// <summary>[N]: the counts, for ops.</summary>
    /// <exception cref="InvalidOperationException">None were set.</exception>
    public IntTensor Device => memory ?? throw new InvalidOperationException("no frame counts were set");

    /// <summary>Replaces the counts.</summary>
    public void Set(ReadOnlySpan<int> counts)
    {
        if (memory is null || memory.Length != counts.Length)
        {
            memory?.Dispose();
            memory = null;
            memory = engine.AllocateInt(new Shape(counts.Length));
        }

        memory.CopyFrom(counts);
        host = counts.ToArray();
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => memory?.Dispose();
}
