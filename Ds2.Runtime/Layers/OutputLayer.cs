using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Batch normalisation and a linear map without bias to the logits of the labels.</summary>
/// <remarks>[T, N, H] to [T, N, C].</remarks>
public sealed class OutputLayer : ILayer
{
    private readonly int inputSize;
    private readonly int classes;
    private readonly Gemm gemm;
    private readonly Normalization normalization;
    private readonly Parameter weight;
    private readonly GrowingTensor normalized;
    private readonly GrowingTensor logits;
    private readonly GrowingTensor inputGradient;
    private Sequence input;

    /// <summary>Declares the layer's parameters, under <c>fc.0.module</c>.</summary>
    /// <param name="inputSize">Features of an input frame.</param>
    /// <param name="classes">Labels, the blank included.</param>
    /// <param name="parameters">Where its parameters are declared.</param>
    /// <param name="workspace">Scratch memory, shared by all layers.</param>
    public OutputLayer(int inputSize, int classes, ParameterSet parameters, Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        IEngine engine = parameters.Engine;
        this.inputSize = inputSize;
        this.classes = classes;
        gemm = Gemm.On(engine);
        normalization = new Normalization("fc.0.module.0", inputSize, parameters, workspace);
        weight = parameters.DeclareUniform("fc.0.module.1.weight", new Shape(classes, inputSize), 1 / Math.Sqrt(inputSize));
        normalized = new GrowingTensor(engine);
        logits = new GrowingTensor(engine);
        inputGradient = new GrowingTensor(engine);
    }

    /// <inheritdoc/>
    public string Description => $"BatchNorm; Linear {inputSize} -> {classes}, no bias";

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters => [.. normalization.Parameters, weight];

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => new(input[0], input[1], classes);

    /// <inheritdoc/>
    public LayerMemory MemoryFor(Shape input) => new(
        [(normalized, input.Length), (logits, OutputShape(input).Length), (inputGradient, input.Length)], normalization.WorkspaceFor(NormShape(input)));

    /// <inheritdoc/>
    public Sequence Forward(Sequence input, bool training)
    {
        this.input = input;
        Shape size = input.Values.Shape;
        int rows = size[0] * size[1];
        Tensor x = normalized.As(size);
        Tensor y = logits.As(OutputShape(size));
        normalization.Forward(NormShape(size), input.Values, input.Frames, x, training);
        gemm.Multiply(
            new GemmShape(rows, classes, inputSize, TransposeB: true),
            x.Reshape(new Shape(rows, inputSize)), weight.Values, y.Reshape(new Shape(rows, classes)));
        return new Sequence(y, input.Frames);
    }

    /// <inheritdoc/>
    public Tensor? Backward(Tensor dY)
    {
        ArgumentNullException.ThrowIfNull(dY);
        Shape size = input.Values.Shape;
        int rows = size[0] * size[1];
        Tensor dLogits = dY.Reshape(new Shape(rows, classes));
        Tensor x = normalized.As(size).Reshape(new Shape(rows, inputSize));
        Tensor dX = inputGradient.As(size);
        gemm.Multiply(new GemmShape(classes, inputSize, rows, TransposeA: true), dLogits, x, weight.Gradient, beta: 1);
        gemm.Multiply(new GemmShape(rows, inputSize, classes), dLogits, weight.Values, dX.Reshape(new Shape(rows, inputSize)));
        normalization.Backward(NormShape(size), input.Values, input.Frames, dX, dX);
        return dX;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        normalization.Dispose();
        normalized.Dispose();
        logits.Dispose();
        inputGradient.Dispose();
    }

    private BatchNormShape NormShape(Shape size) => new(BatchNormLayout.TimeMajor, size[1], inputSize, 1, size[0]);
}
