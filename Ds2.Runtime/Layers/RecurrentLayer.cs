using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>A GRU layer in one or both directions, with an optional batch normalisation of its input (BatchRNN).</summary>
/// <remarks>[T, N, I] to [T, N, H]; the outputs of two directions are summed. Padded frames are zero in the output.</remarks>
public sealed class RecurrentLayer : ILayer
{
    private readonly int inputSize;
    private readonly int hiddenSize;
    private readonly Gru gru;
    private readonly Normalization? normalization;
    private readonly Workspace workspace;
    private readonly List<Parameter> parameters = [];
    private readonly List<(Parameter Input, Parameter Recurrent, Parameter InputBias, Parameter RecurrentBias)> directions = [];
    private readonly GrowingTensor normalized;
    private readonly GrowingTensor hidden;
    private readonly GrowingTensor sum;
    private readonly GrowingTensor gates;
    private readonly GrowingTensor candidates;
    private readonly GrowingTensor inputGradient;
    private GruWeights[]? weights;
    private GruWeights[]? gradients;
    private Sequence input;
    private GruShape shape;

    /// <summary>Declares the layer's parameters.</summary>
    /// <param name="name">The layer's name in PyTorch's state dict: <c>rnns.0</c>.</param>
    /// <param name="inputSize">Features of an input frame.</param>
    /// <param name="hiddenSize">Hidden units of each direction.</param>
    /// <param name="bidirectional">Whether a second direction runs backward in time.</param>
    /// <param name="normalizeInput">Whether the input is batch-normalised.</param>
    /// <param name="precision">How the products with the state read the recurrent weights.</param>
    /// <param name="parameters">Where its parameters are declared.</param>
    /// <param name="workspace">Scratch memory, shared by all layers.</param>
    public RecurrentLayer(
        string name, int inputSize, int hiddenSize, bool bidirectional, bool normalizeInput, RecurrentPrecision precision, ParameterSet parameters,
        Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        IEngine engine = parameters.Engine;
        this.inputSize = inputSize;
        this.hiddenSize = hiddenSize;
        this.workspace = workspace;
        gru = Gru.On(engine, precision);
        if (normalizeInput)
        {
            normalization = new Normalization($"{name}.batch_norm.module", inputSize, parameters, workspace);
            this.parameters.AddRange(normalization.Parameters);
        }

        double bound = 1 / Math.Sqrt(hiddenSize);
        foreach (string suffix in bidirectional ? new[] { "", "_reverse" } : [""])
        {
            Parameter w = parameters.DeclareUniform($"{name}.rnn.weight_ih_l0{suffix}", new Shape(3 * hiddenSize, inputSize), bound);
            Parameter u = parameters.DeclareUniform($"{name}.rnn.weight_hh_l0{suffix}", new Shape(3 * hiddenSize, hiddenSize), bound);
            Parameter b = parameters.DeclareUniform($"{name}.rnn.bias_ih_l0{suffix}", new Shape(3 * hiddenSize), bound);
            Parameter c = parameters.DeclareUniform($"{name}.rnn.bias_hh_l0{suffix}", new Shape(3 * hiddenSize), bound);
            directions.Add((w, u, b, c));
            this.parameters.AddRange([w, u, b, c]);
        }

        normalized = new GrowingTensor(engine);
        hidden = new GrowingTensor(engine);
        sum = new GrowingTensor(engine);
        gates = new GrowingTensor(engine);
        candidates = new GrowingTensor(engine);
        inputGradient = new GrowingTensor(engine);
    }

    /// <inheritdoc/>
    public string Description =>
        $"{(normalization is null ? "" : "BatchNorm; ")}GRU {inputSize} -> {hiddenSize}{(directions.Count == 2 ? ", bidirectional, summed" : "")}";

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => new(input[0], input[1], hiddenSize);

    /// <inheritdoc/>
    public LayerMemory MemoryFor(Shape input)
    {
        var size = new GruShape(input[0], input[1], inputSize, hiddenSize, directions.Count);
        return new LayerMemory(
            [
                (normalized, normalization is null ? 0 : size.X.Length), (hidden, size.Hidden.Length), (sum, directions.Count == 1 ? 0 : size.Y.Length),
                (gates, size.Gates.Length), (candidates, size.Hidden.Length), (inputGradient, size.X.Length),
            ],
            Math.Max(Math.Max(gru.ForwardWorkspace(size), gru.BackwardWorkspace(size)), normalization?.WorkspaceFor(NormShapeFor(size)) ?? 0));
    }

    /// <inheritdoc/>
    public Sequence Forward(Sequence input, bool training)
    {
        this.input = input;
        Shape size = input.Values.Shape;
        shape = new GruShape(size[0], size[1], inputSize, hiddenSize, directions.Count);
        weights ??= [.. directions.Select(d => new GruWeights(d.Input.Values, d.Recurrent.Values, d.InputBias.Values, d.RecurrentBias.Values))];
        Tensor x = input.Values;
        if (normalization is not null)
        {
            x = normalized.As(shape.X);
            normalization.Forward(NormShape, input.Values, input.Frames, x, training);
        }

        Tensor states = hidden.As(shape.Hidden);
        Tensor y = directions.Count == 1 ? states.Reshape(shape.Y) : sum.As(shape.Y);
        workspace.Reserve(gru.ForwardWorkspace(shape));
        gru.Forward(shape, x, input.Frames.Device, weights, y, states, gates.As(shape.Gates), candidates.As(shape.Hidden), workspace);
        return new Sequence(y, input.Frames);
    }

    /// <inheritdoc/>
    public Tensor? Backward(Tensor dY)
    {
        if (weights is null)
            throw new InvalidOperationException("Backward follows Forward");
        gradients ??=
            [.. directions.Select(d => new GruWeights(d.Input.Gradient, d.Recurrent.Gradient, d.InputBias.Gradient, d.RecurrentBias.Gradient))];
        Tensor x = normalization is null ? input.Values : normalized.As(shape.X);
        Tensor dX = inputGradient.As(shape.X);
        workspace.Reserve(gru.BackwardWorkspace(shape));
        gru.Backward(
            shape, x, input.Frames.Device, weights, hidden.As(shape.Hidden), gates.As(shape.Gates), candidates.As(shape.Hidden),
            dY, dX, gradients, workspace);
        normalization?.Backward(NormShape, input.Values, input.Frames, dX, dX);
        return dX;
    }

    /// <inheritdoc/>
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

    private BatchNormShape NormShape => NormShapeFor(shape);

    private static BatchNormShape NormShapeFor(GruShape shape) => new(BatchNormLayout.TimeMajor, shape.N, shape.I, 1, shape.T);
}
