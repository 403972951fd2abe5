using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>The sizes of a convolution layer that do not depend on the batch.</summary>
/// <param name="InputChannels">Channels of the input.</param>
/// <param name="OutputChannels">Channels of the output.</param>
/// <param name="KernelRows">Kernel size in frequency.</param>
/// <param name="KernelFrames">Kernel size in time.</param>
/// <param name="StrideRows">Stride in frequency.</param>
/// <param name="StrideFrames">Stride in time.</param>
/// <param name="PadRows">Padding in frequency.</param>
/// <param name="PadFrames">Padding in time: zeros before the first frame and after each utterance's last.</param>
public readonly record struct ConvolutionOptions(
    int InputChannels, int OutputChannels, int KernelRows, int KernelFrames, int StrideRows, int StrideFrames, int PadRows, int PadFrames = 0);

/// <summary>Convolution, batch normalization, Hardtanh to 0..20, and the padding zeroed: a block of DeepSpeech2's front end.</summary>
/// <remarks>[N, C, F, T] to [N, K, F', T']. Frame counts shrink by the convolution's own formula.</remarks>
public sealed class ConvolutionLayer : ILayer
{
    /// <summary>The lower end of Hardtanh's range.</summary>
    public const float ClipLow = 0;

    /// <summary>The upper end of Hardtanh's range.</summary>
    public const float ClipHigh = 20;

    private readonly IEngine engine;
    private readonly bool needsInputGradient;
    private readonly Conv2d conv;
    private readonly Hardtanh hardtanh;
    private readonly LengthMask mask;
    private readonly Workspace workspace;

    /// <summary>Declares the block's parameters.</summary>
    /// <param name="convolutionName">The convolution's name in PyTorch's state dict: <c>conv.0</c>.</param>
    /// <param name="normalizationName">The normalization's name there: <c>conv.1</c>.</param>
    /// <param name="options">The sizes.</param>
    /// <param name="needsInputGradient">False for the first layer, whose input are features.</param>
    /// <param name="parameters">Where its parameters are declared.</param>
    /// <param name="workspace">Scratch memory, shared by all layers.</param>
    public ConvolutionLayer(
        string convolutionName, string normalizationName, ConvolutionOptions options, bool needsInputGradient,
        ParameterSet parameters, Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        engine = parameters.Engine;
        Options = options;
        this.needsInputGradient = needsInputGradient;
        this.workspace = workspace;
        conv = Conv2d.On(engine);
        hardtanh = Hardtanh.On(engine);
        mask = LengthMask.On(engine);
        double bound = 1 / Math.Sqrt(options.InputChannels * options.KernelRows * options.KernelFrames);
        Weight = parameters.DeclareUniform(
            $"{convolutionName}.weight",
            new Shape(options.OutputChannels, options.InputChannels, options.KernelRows, options.KernelFrames),
            bound, matrices: 1);
        Bias = parameters.DeclareUniform($"{convolutionName}.bias", new Shape(options.OutputChannels), bound);
        Normalization = new Normalization(normalizationName, options.OutputChannels, parameters, workspace);
    }

    /// <summary>The sizes.</summary>
    public ConvolutionOptions Options { get; }

    /// <summary>[K, C, kernel rows, kernel frames].</summary>
    public Parameter Weight { get; }

    /// <summary>[K].</summary>
    public Parameter Bias { get; }

    /// <summary>What the convolution's output goes through before Hardtanh.</summary>
    public Normalization Normalization { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters => [Weight, Bias, Normalization.Weight, Normalization.Bias];

    /// <inheritdoc/>
    public void Freeze() => Normalization.IsFrozen = true;

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => ShapeFor(input, Options).Y;

    /// <summary>The valid frames that remain of an utterance's.</summary>
    public int OutputFrames(int frames) => OutputFrames(frames, Options);

    /// <inheritdoc/>
    public ILayerPass NewPass() => new Pass(this, Options);

    /// <summary>A pass over frames that have their padding in time already.</summary>
    internal ILayerPass NewPassOfPadded() => new Pass(this, Options with { PadFrames = 0 });

    private static BatchNormShape NormShapeFor(Conv2dShape shape) => new(BatchNormLayout.ChannelsFirst, shape.N, shape.K, shape.OutH, shape.OutW);

    /// <remarks>Where there is no sound there is none to pad.</remarks>
    private static int OutputFrames(int frames, ConvolutionOptions options) => frames == 0 ? 0 :
        Conv2dShape.OutputSize(frames, options.KernelFrames, options.StrideFrames, options.PadFrames);

    private static Conv2dShape ShapeFor(Shape input, ConvolutionOptions options) => new(
        input[0], input[1], input[2], input[3], options.OutputChannels, options.KernelRows, options.KernelFrames,
        options.StrideRows, options.StrideFrames, options.PadRows, options.PadFrames);

    private sealed class Pass(ConvolutionLayer layer, ConvolutionOptions options) : ILayerPass
    {
        private readonly Normalization.Pass normalization = new(layer.Normalization);
        private readonly GrowingTensor convolved = new(layer.engine);
        private readonly GrowingTensor output = new(layer.engine);
        private readonly GrowingTensor inputGradient = new(layer.engine);
        private readonly FrameCounts outputFrames = new(layer.engine);
        private Conv2dShape shape;
        private Tensor? x;
        private Tensor? y;

        private BatchNormShape NormShape => NormShapeFor(shape);

        public LayerMemory MemoryFor(Shape input, bool training)
        {
            Conv2dShape size = ShapeFor(input, options);
            LayerMemory norm = normalization.MemoryFor(NormShapeFor(size), training);
            int backward = training ? layer.conv.BackwardWorkspace(size) : 0;
            return new LayerMemory(
                [
                    (convolved, size.Y.Length), (output, size.Y.Length), (inputGradient, training && layer.needsInputGradient ? size.X.Length : 0),
                    .. norm.Activations,
                ],
                Math.Max(Math.Max(layer.conv.ForwardWorkspace(size), backward), norm.Scratch));
        }

        public Sequence Forward(Sequence input, bool training)
        {
            x = input.Values;
            shape = ShapeFor(x.Shape, options);
            SetOutputFrames(input.Frames.Host);
            Tensor sum = convolved.As(shape.Y);
            y = output.As(shape.Y);
            layer.workspace.Reserve(layer.conv.ForwardWorkspace(shape));
            layer.conv.Forward(shape, x, layer.Weight.Values, layer.Bias.Values, sum, layer.workspace);
            normalization.Forward(NormShape, sum, outputFrames, y, training);
            layer.hardtanh.Forward(y, ClipLow, ClipHigh, y);
            layer.mask.Apply(y, outputFrames.Device);
            return new Sequence(y, outputFrames);
        }

        public Tensor? Backward(Tensor dY)
        {
            if (x is null || y is null)
                throw new InvalidOperationException("Backward follows Forward");
            layer.mask.Apply(dY, outputFrames.Device);
            layer.hardtanh.Backward(y, ClipLow, ClipHigh, dY, dY);
            normalization.Backward(NormShape, convolved.As(shape.Y), outputFrames, dY, dY);
            Tensor? dX = layer.needsInputGradient ? inputGradient.As(shape.X) : null;
            layer.workspace.Reserve(layer.conv.BackwardWorkspace(shape));
            layer.conv.Backward(shape, x, layer.Weight.Values, dY, dX, layer.Weight.Gradient, layer.Bias.Gradient, layer.workspace);
            return dX;
        }

        public void Dispose()
        {
            normalization.Dispose();
            convolved.Dispose();
            output.Dispose();
            inputGradient.Dispose();
            outputFrames.Dispose();
        }

        private void SetOutputFrames(ReadOnlySpan<int> frames)
        {
            var counts = new int[frames.Length];
            for (int i = 0; i < counts.Length; i++)
                counts[i] = OutputFrames(frames[i], options);
            outputFrames.Set(counts);
        }
    }
}
