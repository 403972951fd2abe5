namespace Ds2.Runtime.Layers;

/// <summary>Where the new output frames of a stream are in <see cref="ConvolutionStreams.Output"/>.</summary>
/// <param name="Offset">The first one's column.</param>
/// <param name="Count">How many.</param>
public readonly record struct OutputPiece(int Offset, int Count);

/// <summary>A convolution layer for streams that come in pieces: from each stream's next input frames to exactly the output frames that the whole would have there.</summary>
/// <remarks>
/// The streams stand side by side along the time axis of one image. What a window sees of two streams is computed and not used; in return a few frames of each stream fill the kernels' registers together,
/// where each in an image of its own would leave most of them idle. The values pass through host memory: a state is a few thousand numbers, and which of them move where differs from piece to piece.
/// </remarks>
public sealed class ConvolutionStreams : IDisposable
{
    private readonly ConvolutionLayer layer;
    private readonly int inputRows;
    private readonly ILayerPass pass;
    private readonly GrowingTensor input;
    private readonly FrameCounts width;
    private float[] image = [];
    private float[] output = [];

    /// <summary>A pass of many streams through a layer's weights.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="engine">The engine that it is on.</param>
    /// <param name="inputRows">Rows of each input channel.</param>
    public ConvolutionStreams(ConvolutionLayer layer, IEngine engine, int inputRows)
    {
        ArgumentNullException.ThrowIfNull(layer);
        this.layer = layer;
        this.inputRows = inputRows;
        pass = layer.NewPassOfPadded();
        input = new GrowingTensor(engine);
        width = new FrameCounts(engine);
        OutputRows = layer.OutputShape(ImageShape(layer.Options.KernelFrames))[2];
    }

    /// <summary>Rows of each output channel.</summary>
    public int OutputRows { get; }

    /// <summary>The last outputs, row by row: all channels' rows one after the other, each <see cref="OutputStride"/> long.</summary>
    public ReadOnlySpan<float> Output => output;

    /// <summary>Elements from one row of <see cref="Output"/> to the next.</summary>
    public int OutputStride { get; private set; }

    /// <summary>The state of a stream that begins.</summary>
    public ConvolutionState NewState() => new(layer.Options, inputRows);

    /// <summary>Computes all outputs that are ready, and lets go of the inputs that are not needed again.</summary>
    /// <param name="states">The streams.</param>
    /// <param name="pieces">Where each stream's outputs are in <see cref="Output"/>; overwritten.</param>
    public void Run(ReadOnlySpan<ConvolutionState> states, Span<OutputPiece> pieces)
    {
        int stride = layer.Options.StrideFrames, columns = 0;
        for (int i = 0; i < states.Length; i++)
        {
            pieces[i] = new OutputPiece(columns / stride + states[i].Repeated, states[i].Ready);
            if (states[i].Ready > 0)
                columns += WidthOf(states[i]);
        }

        if (columns == 0)
            return;
        Compute(states, columns);
        foreach (ConvolutionState state in states)
            if (state.Ready > 0)
                state.Release();
    }

    /// <summary>Gives the memory back; the layer stays.</summary>
    public void Dispose()
    {
        pass.Dispose();
        input.Dispose();
        width.Dispose();
    }

    private void Compute(ReadOnlySpan<ConvolutionState> states, int columns)
    {
        Shape shape = ImageShape(columns);
        if (image.Length < shape.Length)
            image = new float[shape.Length];
        int first = 0;
        foreach (ConvolutionState state in states)
        {
            if (state.Ready == 0)
                continue;
            state.CopyTo(image.AsSpan(first), columns, WidthOf(state));
            first += WidthOf(state);
        }

        Tensor x = input.As(shape);
        x.CopyFrom(image.AsSpan(0, shape.Length));
        width.Set([columns]);
        Tensor y = pass.Forward(new Sequence(x, width), training: false).Values;
        OutputStride = y.Shape[3];
        if (output.Length < y.Length)
            output = new float[y.Length];
        y.CopyTo(output.AsSpan(0, y.Length));
    }

    // The next stream's first output has an even number too.
    private int WidthOf(ConvolutionState state)
    {
        int pair = ConvolutionState.Pair * layer.Options.StrideFrames;
        return (state.Held + pair - 1) / pair * pair;
    }

    private Shape ImageShape(int columns) => new(1, layer.Options.InputChannels, inputRows, columns);
}
