using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Turns the convolutions' images [N, C, F, T] into sequences [T, N, C F] for the recurrent layers.</summary>
/// <param name="engine">The engine it runs on.</param>
public sealed class TimeMajorLayer(IEngine engine) : ILayer
{
    private readonly TimeMajor timeMajor = TimeMajor.On(engine);

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters => [];

    /// <inheritdoc/>
    public void Freeze()
    {
    }

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => new(input[3], input[0], input[1] * input[2]);

    /// <inheritdoc/>
    public ILayerPass NewPass() => new Pass(this, engine);

    private sealed class Pass(TimeMajorLayer layer, IEngine engine) : ILayerPass
    {
        private readonly GrowingTensor output = new(engine);
        private readonly GrowingTensor inputGradient = new(engine);
        private Shape inputShape;

        public LayerMemory MemoryFor(Shape input, bool training) => new([(output, input.Length), (inputGradient, training ? input.Length : 0)], 0);

        public Sequence Forward(Sequence input, bool training)
        {
            inputShape = input.Values.Shape;
            Tensor y = output.As(layer.OutputShape(inputShape));
            layer.timeMajor.Forward(input.Values, y);
            return new Sequence(y, input.Frames);
        }

        public Tensor? Backward(Tensor dY)
        {
            Tensor dX = inputGradient.As(inputShape);
            layer.timeMajor.Backward(dY, dX);
            return dX;
        }

        public void Dispose()
        {
            output.Dispose();
            inputGradient.Dispose();
        }
    }
}
