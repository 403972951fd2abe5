using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Dropout between two layers while a model trains: a stage without weights, which a model that recognizes does not have.</summary>
/// <param name="engine">The engine it runs on.</param>
/// <param name="share">The share of elements that is dropped.</param>
internal sealed class DropoutPass(IEngine engine, float share) : ILayerPass
{
    private readonly Dropout dropout = Dropout.On(engine);
    private readonly GrowingTensor output = new(engine);

    /// <summary>Which mask the next forward pass draws; its backward pass must find the same.</summary>
    public uint Key { get; set; }

    /// <inheritdoc/>
    public LayerMemory MemoryFor(Shape input, bool training) => new([(output, training ? input.Length : 0)], 0);

    /// <inheritdoc/>
    public Sequence Forward(Sequence input, bool training)
    {
        if (!training)
            return input;
        Tensor y = output.As(input.Values.Shape);
        dropout.Apply(input.Values, share, Key, y);
        return input with { Values = y };
    }

    /// <inheritdoc/>
    public Tensor? Backward(Tensor dY)
    {
        dropout.Apply(dY, share, Key, dY);
        return dY;
    }

    /// <inheritdoc/>
    public void Dispose() => output.Dispose();
}
