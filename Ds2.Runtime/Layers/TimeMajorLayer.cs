using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Turns the convolutions' images [N, C, F, T] into sequences [T, N, C F] for the recurrent layers.</summary>
/// <param name="engine">The engine it runs on.</param>
public sealed class TimeMajorLayer(IEngine engine) : ILayer
{
    private readonly TimeMajor timeMajor = TimeMajor.On(engine);
    private readonly GrowingTensor output = new(engine);
    private readonly GrowingTensor inputGradient = new(engine);
    private Shape inputShape;

    /// <inheritdoc/>
    public string Description => "N x C x F x T -> T x N x (C F)";

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters => [];

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => new(input[3], input[0], input[1] * input[2]);

    /// <inheritdoc/>
    public LayerMemory MemoryFor(Shape input) => new([(output, input.Length), (inputGradient, input.Length)], 0);

    /// <inheritdoc/>
    public Sequence Forward(Sequence input, bool training)
    {
        inputShape = input.Values.Shape;
        Tensor y = output.As(OutputShape(inputShape));
        timeMajor.Forward(input.Values, y);
        return new Sequence(y, input.Frames);
    }

    /// <inheritdoc/>
    public Tensor? Backward(Tensor dY)
    {
        Tensor dX = inputGradient.As(inputShape);
        timeMajor.Backward(dY, dX);
        return dX;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        output.Dispose();
        inputGradient.Dispose();
    }
}
