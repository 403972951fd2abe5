using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Batches on their way through a <see cref="RecurrentLayer"/>, each from zeros, or each going on where the one before ended.</summary>
public sealed class RecurrentPass : ILayerPass
{
    private readonly RecurrentLayer layer;
    private readonly Normalization.Pass? normalization;
    private readonly GrowingTensor normalized;
    private readonly GrowingTensor hidden;
    private readonly GrowingTensor sum;
    private readonly GrowingTensor gates;
    private readonly GrowingTensor candidates;
    private readonly GrowingTensor inputGradient;
    private Sequence input;
    private GruShape shape;
    private bool wentOn;

    internal RecurrentPass(RecurrentLayer layer)
    {
        this.layer = layer;
        normalization = layer.Normalization is null ? null : new(layer.Normalization);
        normalized = new GrowingTensor(layer.Engine);
        hidden = new GrowingTensor(layer.Engine);
        sum = new GrowingTensor(layer.Engine);
        gates = new GrowingTensor(layer.Engine);
        candidates = new GrowingTensor(layer.Engine);
        inputGradient = new GrowingTensor(layer.Engine);
    }

    // With one direction the output is the hidden states themselves.
    private GrowingTensor Output => layer.Directions.Count == 1 ? hidden : sum;

    /// <inheritdoc/>
    public LayerMemory MemoryFor(Shape input, bool training)
    {
        GruShape size = layer.ShapeFor(input);
        LayerMemory norm = normalization?.MemoryFor(NormShapeFor(size), training) ?? new LayerMemory([], 0);
        (GrowingTensor, int) normalizedInput = (normalized, normalization is null ? 0 : size.X.Length);
        if (layer.IsForInference)
            return new LayerMemory([normalizedInput, (Output, size.Y.Length), .. norm.Activations], Math.Max(layer.Gru.InferWorkspace(size), norm.Scratch));
        int backward = training ? layer.Gru.BackwardWorkspace(size) : 0;
        return new LayerMemory(
            [
                normalizedInput, (hidden, size.Hidden.Length),
                (sum, layer.Directions.Count == 1 ? 0 : size.Y.Length), (gates, size.Gates.Length), (candidates, size.Hidden.Length),
                (inputGradient, training ? size.X.Length : 0), .. norm.Activations,
            ],
            Math.Max(Math.Max(layer.Gru.ForwardWorkspace(size), backward), norm.Scratch));
    }

    /// <inheritdoc/>
    public Sequence Forward(Sequence input, bool training) => Run(input, training, state: null);

    /// <summary>The output of frames that follow others, for recognition in pieces: as of <see cref="Forward"/> without training over all of them. No backward pass can follow.</summary>
    /// <param name="input">[T, N, I]: the next frames of each utterance, any number of them.</param>
    /// <param name="state">[N, H], the caller's: the state after the frames before, zeros at the start; overwritten with that after these frames.</param>
    /// <exception cref="ArgumentException">The layer is bidirectional, or the state has another shape.</exception>
    public Sequence Continue(Sequence input, Tensor state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Run(input, training: false, state);
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The last forward pass was one of <see cref="Continue"/>.</exception>
    public Tensor? Backward(Tensor dY)
    {
        if (wentOn)
            throw new InvalidOperationException("no backward pass follows Continue: it has overwritten the state that the gradient needs");
        Tensor x = normalization is null ? input.Values : normalized.As(shape.X);
        Tensor dX = inputGradient.As(shape.X);
        layer.Workspace.Reserve(layer.Gru.BackwardWorkspace(shape));
        layer.Gru.Backward(
            shape, x, input.Frames.Device, layer.Weights, hidden.As(shape.Hidden), gates.As(shape.Gates), candidates.As(shape.Hidden),
            dY, dX, layer.Gradients, layer.Workspace);
        normalization?.Backward(NormShapeFor(shape), input.Values, input.Frames, dX, dX);
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

    private static BatchNormShape NormShapeFor(GruShape shape) => new(BatchNormLayout.TimeMajor, shape.N, shape.I, 1, shape.T);

    private Sequence Run(Sequence input, bool training, Tensor? state)
    {
        wentOn = state is not null;
        this.input = input;
        shape = layer.ShapeFor(input.Values.Shape);
        Tensor x = input.Values;
        if (normalization is not null)
        {
            x = normalized.As(shape.X);
            normalization.Forward(NormShapeFor(shape), input.Values, input.Frames, x, training);
        }

        Tensor y = Output.As(shape.Y);
        if (layer.IsForInference)
        {
            layer.Workspace.Reserve(layer.Gru.InferWorkspace(shape));
            layer.Gru.Infer(shape, x, input.Frames.Device, layer.Weights, layer.PackedWeights(), y, layer.Workspace, state, state);
            return new Sequence(y, input.Frames);
        }

        Tensor states = hidden.As(shape.Hidden);
        layer.Workspace.Reserve(layer.Gru.ForwardWorkspace(shape));
        layer.Gru.Forward(
            shape, x, input.Frames.Device, layer.Weights, y, states, gates.As(shape.Gates), candidates.As(shape.Hidden), layer.Workspace, state,
            state);
        return new Sequence(y, input.Frames);
    }
}
