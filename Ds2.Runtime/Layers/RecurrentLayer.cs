using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>The parameters of one direction of a GRU layer, by PyTorch's names.</summary>
/// <param name="InputWeight"><c>weight_ih</c>, [3 H, I]: reset, update and new gate.</param>
/// <param name="RecurrentWeight"><c>weight_hh</c>, [3 H, H].</param>
/// <param name="InputBias"><c>bias_ih</c>, [3 H].</param>
/// <param name="RecurrentBias"><c>bias_hh</c>, [3 H].</param>
public sealed record RecurrentDirection(Parameter InputWeight, Parameter RecurrentWeight, Parameter InputBias, Parameter RecurrentBias)
{
    /// <summary>The four, in the order in which they are declared.</summary>
    public IReadOnlyList<Parameter> All => [InputWeight, RecurrentWeight, InputBias, RecurrentBias];

    internal GruWeights Values => new(InputWeight.Values, RecurrentWeight.Values, InputBias.Values, RecurrentBias.Values);

    internal GruWeights Gradients => new(InputWeight.Gradient, RecurrentWeight.Gradient, InputBias.Gradient, RecurrentBias.Gradient);
}

/// <summary>A GRU layer in one or both directions, with an optional batch normalization of its input (BatchRNN).</summary>
/// <remarks>[T, N, I] to [T, N, H]; the outputs of two directions are summed. Padded frames are zero in the output.</remarks>
public sealed class RecurrentLayer : ILayer
{
    private readonly IEngine engine;
    private readonly Gru gru;
    private readonly Workspace workspace;
    private GruWeights[]? weights;
    private GruWeights[]? gradients;

    /// <summary>Declares the layer's parameters.</summary>
    /// <param name="name">The layer's name in PyTorch's state dict: <c>rnns.0</c>.</param>
    /// <param name="inputSize">Features of an input frame.</param>
    /// <param name="hiddenSize">Hidden units of each direction.</param>
    /// <param name="bidirectional">Whether a second direction runs backward in time.</param>
    /// <param name="normalizeInput">Whether the input is batch-normalized.</param>
    /// <param name="precision">How the products with the state read the recurrent weights.</param>
    /// <param name="parameters">Where its parameters are declared.</param>
    /// <param name="workspace">Scratch memory, shared by all layers.</param>
    public RecurrentLayer(
        string name, int inputSize, int hiddenSize, bool bidirectional, bool normalizeInput, RecurrentPrecision precision, ParameterSet parameters,
        Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        engine = parameters.Engine;
        InputSize = inputSize;
        HiddenSize = hiddenSize;
        this.workspace = workspace;
        gru = Gru.On(engine, precision);
        if (normalizeInput)
            Normalization = new Normalization($"{name}.batch_norm.module", inputSize, parameters, workspace);
        double bound = 1 / Math.Sqrt(hiddenSize);
        Directions = bidirectional ? [Direction(""), Direction("_reverse")] : [Direction("")];

        RecurrentDirection Direction(string suffix) => new(
            parameters.DeclareUniform($"{name}.rnn.weight_ih_l0{suffix}", new Shape(3 * hiddenSize, inputSize), bound),
            parameters.DeclareUniform($"{name}.rnn.weight_hh_l0{suffix}", new Shape(3 * hiddenSize, hiddenSize), bound),
            parameters.DeclareUniform($"{name}.rnn.bias_ih_l0{suffix}", new Shape(3 * hiddenSize), bound),
            parameters.DeclareUniform($"{name}.rnn.bias_hh_l0{suffix}", new Shape(3 * hiddenSize), bound));
    }

    /// <summary>Features of an input frame.</summary>
    public int InputSize { get; }

    /// <summary>Hidden units of each direction.</summary>
    public int HiddenSize { get; }

    /// <summary>What the input goes through first; null for nothing.</summary>
    public Normalization? Normalization { get; }

    /// <summary>Forward in time, and backward in time where the layer is bidirectional.</summary>
    public IReadOnlyList<RecurrentDirection> Directions { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters =>
        [.. Normalization is null ? (Parameter[])[] : [Normalization.Weight, Normalization.Bias], .. Directions.SelectMany(direction => direction.All)];

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => new(input[0], input[1], HiddenSize);

    /// <inheritdoc/>
    public ILayerPass NewPass() => new Pass(this);

    // Made at the first call: parameters have no memory while layers are built.
    private GruWeights[] Weights => weights ??= [.. Directions.Select(direction => direction.Values)];

    private GruWeights[] Gradients => gradients ??= [.. Directions.Select(direction => direction.Gradients)];

    private static BatchNormShape NormShapeFor(GruShape shape) => new(BatchNormLayout.TimeMajor, shape.N, shape.I, 1, shape.T);

    private GruShape ShapeFor(Shape input) => new(input[0], input[1], InputSize, HiddenSize, Directions.Count);

    private sealed class Pass(RecurrentLayer layer) : ILayerPass
    {
        private readonly Normalization.Pass? normalization = layer.Normalization is null ? null : new(layer.Normalization);
        private readonly GrowingTensor normalized = new(layer.engine);
        private readonly GrowingTensor hidden = new(layer.engine);
        private readonly GrowingTensor sum = new(layer.engine);
        private readonly GrowingTensor gates = new(layer.engine);
        private readonly GrowingTensor candidates = new(layer.engine);
        private readonly GrowingTensor inputGradient = new(layer.engine);
        private Sequence input;
        private GruShape shape;

        public LayerMemory MemoryFor(Shape input, bool training)
        {
            GruShape size = layer.ShapeFor(input);
            LayerMemory norm = normalization?.MemoryFor(NormShapeFor(size), training) ?? new LayerMemory([], 0);
            int backward = training ? layer.gru.BackwardWorkspace(size) : 0;
            return new LayerMemory(
                [
                    (normalized, normalization is null ? 0 : size.X.Length), (hidden, size.Hidden.Length),
                    (sum, layer.Directions.Count == 1 ? 0 : size.Y.Length), (gates, size.Gates.Length), (candidates, size.Hidden.Length),
                    (inputGradient, training ? size.X.Length : 0), .. norm.Activations,
                ],
                Math.Max(Math.Max(layer.gru.ForwardWorkspace(size), backward), norm.Scratch));
        }

        public Sequence Forward(Sequence input, bool training)
        {
            this.input = input;
            shape = layer.ShapeFor(input.Values.Shape);
            Tensor x = input.Values;
            if (normalization is not null)
            {
                x = normalized.As(shape.X);
                normalization.Forward(NormShapeFor(shape), input.Values, input.Frames, x, training);
            }

            Tensor states = hidden.As(shape.Hidden);
            Tensor y = layer.Directions.Count == 1 ? states.Reshape(shape.Y) : sum.As(shape.Y);
            layer.workspace.Reserve(layer.gru.ForwardWorkspace(shape));
            layer.gru.Forward(
                shape, x, input.Frames.Device, layer.Weights, y, states, gates.As(shape.Gates), candidates.As(shape.Hidden), layer.workspace);
            return new Sequence(y, input.Frames);
        }

        public Tensor? Backward(Tensor dY)
        {
            Tensor x = normalization is null ? input.Values : normalized.As(shape.X);
            Tensor dX = inputGradient.As(shape.X);
            layer.workspace.Reserve(layer.gru.BackwardWorkspace(shape));
            layer.gru.Backward(
                shape, x, input.Frames.Device, layer.Weights, hidden.As(shape.Hidden), gates.As(shape.Gates), candidates.As(shape.Hidden),
                dY, dX, layer.Gradients, layer.workspace);
            normalization?.Backward(NormShapeFor(shape), input.Values, input.Frames, dX, dX);
            return dX;
        }

        public void Dispose()
        {
            normalization?.Dispose();
            normalized.Dispose();
            hidden.Dispose();
            sum.Dispose();
            gates.Dispose();
            candidates.Dispose();
            inputGradient.Dispose();
        }
    }
}
