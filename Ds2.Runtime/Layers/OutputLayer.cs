using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Batch normalization and a linear map without bias to the logits of the labels.</summary>
/// <remarks>[T, N, H] to [T, N, C].</remarks>
public sealed class OutputLayer : ILayer
{
    private readonly IEngine engine;
    private readonly Gemm gemm;
    private readonly Workspace workspace;

    /// <summary>Declares the layer's parameters, under <c>fc.0.module</c>.</summary>
    /// <param name="inputSize">Features of an input frame.</param>
    /// <param name="classes">Labels, the blank included.</param>
    /// <param name="parameters">Where its parameters are declared.</param>
    /// <param name="workspace">Scratch memory, shared by all layers.</param>
    public OutputLayer(int inputSize, int classes, ParameterSet parameters, Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        engine = parameters.Engine;
        this.workspace = workspace;
        InputSize = inputSize;
        Classes = classes;
        gemm = Gemm.On(engine);
        Normalization = new Normalization("fc.0.module.0", inputSize, parameters, workspace);
        Weight = parameters.DeclareUniform("fc.0.module.1.weight", new Shape(classes, inputSize), 1 / Math.Sqrt(inputSize));
    }

    /// <summary>Features of an input frame.</summary>
    public int InputSize { get; }

    /// <summary>Labels, the blank included.</summary>
    public int Classes { get; }

    /// <summary>What the input goes through first.</summary>
    public Normalization Normalization { get; }

    /// <summary>[Classes, InputSize].</summary>
    public Parameter Weight { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Parameter> Parameters => [Normalization.Weight, Normalization.Bias, Weight];

    /// <inheritdoc/>
    public void Freeze() => Normalization.IsFrozen = true;

    /// <inheritdoc/>
    public Shape OutputShape(Shape input) => new(input[0], input[1], Classes);

    /// <inheritdoc/>
    public ILayerPass NewPass() => new Pass(this);

    private GemmShape GradientShape(Shape size) => new(Classes, InputSize, size[0] * size[1], TransposeA: true);

    private BatchNormShape NormShape(Shape size) => new(BatchNormLayout.TimeMajor, size[1], InputSize, 1, size[0]);

    private sealed class Pass(OutputLayer layer) : ILayerPass
    {
        private readonly Normalization.Pass normalization = new(layer.Normalization);
        private readonly GrowingTensor normalized = new(layer.engine);
        private readonly GrowingTensor logits = new(layer.engine);
        private readonly GrowingTensor inputGradient = new(layer.engine);
        private Sequence input;

        public LayerMemory MemoryFor(Shape input, bool training)
        {
            LayerMemory norm = normalization.MemoryFor(layer.NormShape(input), training);
            return new LayerMemory(
                [
                    (normalized, input.Length), (logits, layer.OutputShape(input).Length), (inputGradient, training ? input.Length : 0), .. norm.Activations,
                ],
                Math.Max(norm.Scratch, training ? layer.gemm.WorkspaceFor(layer.GradientShape(input)) : 0));
        }

        public Sequence Forward(Sequence input, bool training)
        {
            this.input = input;
            Shape size = input.Values.Shape;
            int rows = size[0] * size[1];
            Tensor x = normalized.As(size);
            Tensor y = logits.As(layer.OutputShape(size));
            normalization.Forward(layer.NormShape(size), input.Values, input.Frames, x, training);
            layer.gemm.Multiply(
                new GemmShape(rows, layer.Classes, layer.InputSize, TransposeB: true),
                x.Reshape(new Shape(rows, layer.InputSize)), layer.Weight.Values, y.Reshape(new Shape(rows, layer.Classes)));
            return new Sequence(y, input.Frames);
        }

        public Tensor? Backward(Tensor dY)
        {
            Shape size = input.Values.Shape;
            int rows = size[0] * size[1];
            Tensor dLogits = dY.Reshape(new Shape(rows, layer.Classes));
            Tensor x = normalized.As(size).Reshape(new Shape(rows, layer.InputSize));
            Tensor dX = inputGradient.As(size);
            GemmShape gradient = layer.GradientShape(size);
            layer.workspace.Reserve(layer.gemm.WorkspaceFor(gradient));
            layer.gemm.Multiply(gradient, dLogits, x, layer.Weight.Gradient, beta: 1, workspace: layer.workspace);
            layer.gemm.Multiply(
                new GemmShape(rows, layer.InputSize, layer.Classes), dLogits, layer.Weight.Values, dX.Reshape(new Shape(rows, layer.InputSize)));
            normalization.Backward(layer.NormShape(size), input.Values, input.Frames, dX, dX);
            return dX;
        }

        public void Dispose()
        {
            normalization.Dispose();
            normalized.Dispose();
            logits.Dispose();
            inputGradient.Dispose();
        }
    }
}
