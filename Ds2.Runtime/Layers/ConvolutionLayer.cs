using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>The sizes of a convolution layer that do not depend on the batch.</summary>
/// <param name="InputChannels">Channels of the input.</param>
/// <param name="OutputChannels">Channels of the output.</param>
/// <param name="KernelRows">Kernel size in frequency.</param>
/// <param name="KernelFrames">Kernel size in time.</param>
/// <param name="StrideRows">Stride in frequency.</param>
/// <param name="StrideFrames">Stride in time.</param>
/// <param name="PadRows">Padding in frequency; time is never padded.</param>
public readonly record struct ConvolutionOptions(
    int InputChannels, int OutputChannels, int KernelRows, int KernelFrames, int StrideRows, int StrideFrames, int PadRows);

/// <summary>Convolution, batch normalisation, Hardtanh to 0..20, and the padding zeroed: a block of DeepSpeech2's front end.</summary>
/// <remarks>[N, C, F, T] to [N, K, F', T']. Frame counts shrink by the convolution's own formula.</remarks>
public sealed class ConvolutionLayer : ILayer
{
    private const float ClipLow = 0;
    private const float ClipHigh = 20;

    private readonly ConvolutionOptions options;
    private readonly bool needsInputGradient;
    private readonly Conv2d conv;
    private readonly Hardtanh hardtanh;
    private readonly LengthMask mask;
    private readonly Normalization normalization;
    private readonly Workspace workspace;
    private readonly Parameter weight;
    private readonly Parameter bias;
    private readonly GrowingTensor convolved;
    private readonly GrowingTensor output;
    private readonly GrowingTensor inputGradient;
    private readonly FrameCounts outputFrames;
    private Conv2dShape shape;
    private Tensor? x;
    private Tensor? y;

    /// <summary>Declares the block's parameters.</summary>
    /// <param name="convolutionName">The convolution's name in PyTorch's state dict: <c>conv.0</c>.</param>
    /// <param name="normalizationName">The normalisation's name there: <c>conv.1</c>.</param>
    /// <param name="options">The sizes.</param>
    /// <param name="needsInputGradient">False for the first layer, whose input are features.</param>
    /// <param name="parameters">Where its parameters are declared.</param>
    /// <param name="workspace">Scratch memory, shared by all layers.</param>
    public ConvolutionLayer(
        string convolutionName, string normalizationName, ConvolutionOptions options, bool needsInputGradient,
        ParameterSet parameters, Workspace workspace)
    {
        IEngine engine = parameters.Engine;
        this.options = options;
        this.needsInputGradient = needsInputGradient;
        this.workspace = workspace;
        conv = Conv2d.On(engine);
        hardtanh = Hardtanh.On(engine);
        mask = LengthMask.On(engine);
        double bound = 1 / Math.Sqrt(options.InputChannels * options.KernelRows * options.KernelFrames);
        weight = parameters.DeclareUniform(
            $"{convolutionName}.weight",
            new Shape(options.OutputChannels, options.InputChannels, options.KernelRows, options.KernelFrames),
            bound);
        bias = parameters.DeclareUniform($"{convolutionName}.bias", new Shape(options.OutputChannels), bound);
        normalization = new Normalization(normalizationName, options.OutputChannels, parameters, workspace);
        convolved = new GrowingTensor(engine);
        output = new GrowingTensor(engine);
        inputGradient = new GrowingTensor(engine);
        outputFrames = new FrameCounts(engine);
    }

    /// <inheritdoc/>
    public string Description =>
        $"Conv2d {options.InputChannels} -> {options.OutputChannels}, {options.KernelRows} x {options.KernelFrames}, "
        + $"stride {options.StrideRows} x {options.StrideFrames}; BatchNorm; Hardtanh 0..20";

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters => [weight, bias, .. normalization.Parameters];

    private BatchNormShape NormShape => NormShapeFor(shape);

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => ShapeFor(input).Y;

    /// <summary>The valid frames that remain of an utterance's.</summary>
    public int OutputFrames(int frames) => Conv2dShape.OutputSize(frames, options.KernelFrames, options.StrideFrames, 0);

    /// <inheritdoc/>
    public LayerMemory MemoryFor(Shape input)
    {
        Conv2dShape size = ShapeFor(input);
        return new LayerMemory(
            [(convolved, size.Y.Length), (output, size.Y.Length), (inputGradient, needsInputGradient ? size.X.Length : 0)],
            Math.Max(Math.Max(conv.ForwardWorkspace(size), conv.BackwardWorkspace(size)), normalization.WorkspaceFor(NormShapeFor(size))));
    }

    /// <inheritdoc/>
    public Sequence Forward(Sequence input, bool training)
    {
        x = input.Values;
        shape = ShapeFor(x.Shape);
        SetOutputFrames(input.Frames.Host);
        Tensor sum = convolved.As(shape.Y);
        y = output.As(shape.Y);
        workspace.Reserve(conv.ForwardWorkspace(shape));
        conv.Forward(shape, x, weight.Values, bias.Values, sum, workspace);
        normalization.Forward(NormShape, sum, outputFrames, y, training);
        hardtanh.Forward(y, ClipLow, ClipHigh, y);
        mask.Apply(y, outputFrames.Device);
        return new Sequence(y, outputFrames);
    }

    /// <inheritdoc/>
    public Tensor? Backward(Tensor dY)
    {
        ArgumentNullException.ThrowIfNull(dY);
        if (x is null || y is null)
            throw new InvalidOperationException("Backward follows Forward");
        mask.Apply(dY, outputFrames.Device);
        hardtanh.Backward(y, ClipLow, ClipHigh, dY, dY);
        normalization.Backward(NormShape, convolved.As(shape.Y), outputFrames, dY, dY);
        Tensor? dX = needsInputGradient ? inputGradient.As(shape.X) : null;
        workspace.Reserve(conv.BackwardWorkspace(shape));
        conv.Backward(shape, x, weight.Values, dY, dX, weight.Gradient, bias.Gradient, workspace);
        return dX;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        normalization.Dispose();
        convolved.Dispose();
        output.Dispose();
        inputGradient.Dispose();
        outputFrames.Dispose();
    }

    private static BatchNormShape NormShapeFor(Conv2dShape shape) => new(BatchNormLayout.ChannelsFirst, shape.N, shape.K, shape.OutH, shape.OutW);

    private Conv2dShape ShapeFor(Shape input) => new(
        input[0], input[1], input[2], input[3], options.OutputChannels, options.KernelRows, options.KernelFrames,
        options.StrideRows, options.StrideFrames, options.PadRows);

    private void SetOutputFrames(ReadOnlySpan<int> frames)
    {
        var counts = new int[frames.Length];
        for (int i = 0; i < counts.Length; i++)
            counts[i] = OutputFrames(frames[i]);
        outputFrames.Set(counts);
    }
}
