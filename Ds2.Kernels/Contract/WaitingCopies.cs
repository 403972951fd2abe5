namespace Ds2.Kernels.Contract;

/// <summary>Copies for which the host waits.</summary>
internal sealed class WaitingCopies : IHostCopies
{
    /// <inheritdoc/>
    public Memory<float> AllocateHost(int length) => GC.AllocateUninitializedArray<float>(length, pinned: true);

    /// <inheritdoc/>
    public Action CopyToHost(Tensor source, Memory<float> destination)
    {
        source.CopyTo(destination.Span);
        return () => { };
    }

    /// <inheritdoc/>
    public void CopyToDevice(ReadOnlyMemory<float> source, Tensor destination) => destination.CopyFrom(source.Span);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is on its way.
    }
}
