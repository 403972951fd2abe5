using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Training;

/// <summary>Features of two batches on the device: one that the model works on, and one that is copied meanwhile.</summary>
/// <param name="engine">The engine whose memory it takes.</param>
internal sealed class FeatureBuffers(IEngine engine) : IDisposable
{
    private readonly GrowingTensor[] buffers = [new(engine), new(engine)];
    private int next;
    private Tensor? copied;

    /// <summary>Takes the memory for batches of up to so many elements, so that none is taken later.</summary>
    public void Reserve(int elements)
    {
        foreach (GrowingTensor buffer in buffers)
            buffer.Reserve(elements);
    }

    /// <summary>Starts the copy of a batch's features while the batch before is worked on; the one before that must be done. The batch gives its features back: engines read them before this returns.</summary>
    public void Prefetch(Batch batch)
    {
        copied = buffers[next].As(new Shape(batch.Utterances.Count, 1, batch.Rows, batch.MaxFrames));
        copied.Prefetch(batch.Features.Span);
        batch.Release();
        next ^= 1;
    }

    /// <summary>[N, 1, F, T]: the features of the last <see cref="Prefetch"/>, arrived.</summary>
    public Tensor Take()
    {
        engine.AwaitPrefetch();
        return copied ?? throw new InvalidOperationException("Take follows Prefetch");
    }

    public void Dispose()
    {
        foreach (GrowingTensor buffer in buffers)
            buffer.Dispose();
    }
}
