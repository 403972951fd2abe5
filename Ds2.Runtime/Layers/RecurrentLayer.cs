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
    private const int Gates = 3;

    private readonly ParameterSet parameters;
    private GruWeights[]? gradients;
    private Tensor? packed;
    private int? packedVersion;

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
        this.parameters = parameters;
        Engine = parameters.Engine;
        InputSize = inputSize;
        HiddenSize = hiddenSize;
        Workspace = workspace;
        Gru = Gru.On(Engine, precision);
        if (normalizeInput)
            Normalization = new Normalization($"{name}.batch_norm.module", inputSize, parameters, workspace);
        double bound = 1 / Math.Sqrt(hiddenSize);
        Directions = bidirectional ? [Direction(""), Direction("_reverse")] : [Direction("")];

        RecurrentDirection Direction(string suffix) => new(
            parameters.DeclareUniform($"{name}.rnn.weight_ih_l0{suffix}", new Shape(Gates * hiddenSize, inputSize), bound, Gates),
            parameters.DeclareUniform($"{name}.rnn.weight_hh_l0{suffix}", new Shape(Gates * hiddenSize, hiddenSize), bound, Gates),
            parameters.DeclareUniform($"{name}.rnn.bias_ih_l0{suffix}", new Shape(Gates * hiddenSize), bound),
            parameters.DeclareUniform($"{name}.rnn.bias_hh_l0{suffix}", new Shape(Gates * hiddenSize), bound));
    }

    /// <summary>Features of an input frame.</summary>
    public int InputSize { get; }

    /// <summary>Hidden units of each direction.</summary>
    public int HiddenSize { get; }

    /// <summary>What the input goes through first; null for nothing.</summary>
    public Normalization? Normalization { get; }

    /// <summary>Forward in time, and backward in time where the layer is bidirectional.</summary>
    public IReadOnlyList<RecurrentDirection> Directions { get; }

    internal IEngine Engine { get; }

    internal Gru Gru { get; }

    internal Workspace Workspace { get; }

    // Asked for anew each time: where they are still on their way from another rank, that waits for them.
    internal GruWeights[] Weights => [.. Directions.Select(direction => direction.Values)];

    /// <summary>Whether it only recognizes: its recurrent weights are then packed once, for all passes.</summary>
    internal bool IsForInference => parameters.Version is not null;

    // Made at the first call: parameters have no memory while layers are built.
    internal GruWeights[] Gradients => gradients ??= [.. Directions.Select(direction => direction.Gradients)];

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters =>
        [.. Normalization is null ? (Parameter[])[] : [Normalization.Weight, Normalization.Bias], .. Directions.SelectMany(direction => direction.All)];

    /// <inheritdoc/>
    public void Freeze()
    {
        if (Normalization is not null)
            Normalization.IsFrozen = true;
    }

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => new(input[0], input[1], HiddenSize);

    /// <summary>A pass of its own through this layer's weights, which can also go on from a state; the caller disposes it.</summary>
    public RecurrentPass NewPass() => new(this);

    /// <inheritdoc/>
    ILayerPass ILayer.NewPass() => NewPass();

    /// <summary>The recurrent weights as <see cref="Gru.Infer"/> reads them, packed at the first call and whenever they have changed.</summary>
    /// <exception cref="InvalidOperationException">The layer trains: its weights change unseen.</exception>
    internal Tensor PackedWeights()
    {
        int version = parameters.Version ?? throw new InvalidOperationException("the weights of a model that trains are not kept packed");
        if (packedVersion != version)
        {
            packed ??= parameters.AllocateDerived(Gru.PackedShape(HiddenSize, Directions.Count));
            Gru.Pack(ShapeFor(new Shape(0, 0, InputSize)), Weights, packed);
            packedVersion = version;
        }

        return packed!;
    }

    /// <summary>The sizes for an input's shape, [T, N, I].</summary>
    internal GruShape ShapeFor(Shape input) => new(input[0], input[1], InputSize, HiddenSize, Directions.Count);
}
