using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Batch normalization with its parameters and running statistics: a part of other layers.</summary>
public sealed class Normalization
{
    /// <summary>PyTorch's default: the weight of a batch in the running statistics.</summary>
    public const float Momentum = 0.1f;

    /// <summary>PyTorch's default: added to the variance.</summary>
    public const float Epsilon = 1e-5f;

    private readonly IEngine engine;
    private readonly BatchNorm batchNorm;
    private readonly Workspace workspace;

    /// <summary>Declares weight, bias and running statistics.</summary>
    /// <param name="name">The prefix of their names in PyTorch's state dict, as <c>conv.1</c>.</param>
    /// <param name="features">Channels or features.</param>
    /// <param name="parameters">Where they are declared.</param>
    /// <param name="workspace">Scratch memory.</param>
    internal Normalization(string name, int features, ParameterSet parameters, Workspace workspace)
    {
        engine = parameters.Engine;
        this.workspace = workspace;
        Features = features;
        batchNorm = BatchNorm.On(engine);
        var shape = new Shape(features);
        Weight = parameters.DeclareConstant($"{name}.weight", shape, 1);
        Bias = parameters.DeclareConstant($"{name}.bias", shape, 0);
        RunningMean = parameters.DeclareStatistic($"{name}.running_mean", shape, 0);
        RunningVariance = parameters.DeclareStatistic($"{name}.running_var", shape, 1);
    }

    /// <summary>Channels or features, each with statistics of its own.</summary>
    public int Features { get; }

    /// <summary>[Features]: what normalized values are multiplied with.</summary>
    public Parameter Weight { get; }

    /// <summary>[Features]: what is then added.</summary>
    public Parameter Bias { get; }

    /// <summary>[Features]: what inference takes for the mean.</summary>
    public Statistic RunningMean { get; }

    /// <summary>[Features]: what inference takes for the variance.</summary>
    public Statistic RunningVariance { get; }

    /// <summary>Whether training goes by the running statistics, as inference does, and leaves them as they are.</summary>
    public bool IsFrozen
    {
        get => RunningMean.IsFrozen;
        internal set => (RunningMean.IsFrozen, RunningVariance.IsFrozen) = (value, value);
    }

    /// <summary>The batch's statistics between a forward and a backward pass.</summary>
    internal sealed class Pass(Normalization layer) : IDisposable
    {
        private readonly GrowingTensor mean = new(layer.engine);
        private readonly GrowingTensor inverseDeviation = new(layer.engine);

        /// <summary>Zeros, for a frozen layer's gradient.</summary>
        private readonly GrowingTensor zeros = new(layer.engine);

        private Tensor Mean => mean.As(new Shape(layer.Features));

        private Tensor InverseDeviation => inverseDeviation.As(new Shape(layer.Features));

        /// <summary>The memory for a batch, scratch memory included.</summary>
        public LayerMemory MemoryFor(BatchNormShape shape, bool training) =>
            !training ? new LayerMemory([], 0)
            : layer.IsFrozen ? new LayerMemory([(zeros, layer.Features)], 0)
            : new LayerMemory([(mean, layer.Features), (inverseDeviation, layer.Features)], layer.batchNorm.WorkspaceFor(shape));

        /// <summary>y = normalized x. <paramref name="y"/> may be x only at inference.</summary>
        public void Forward(BatchNormShape shape, Tensor x, FrameCounts frames, Tensor y, bool training)
        {
            if (training && !layer.IsFrozen)
            {
                layer.workspace.Reserve(layer.batchNorm.WorkspaceFor(shape));
                layer.batchNorm.Forward(
                    shape, x, frames.Device, layer.Weight.Values, layer.Bias.Values, layer.RunningMean.Moving, layer.RunningVariance.Moving, Momentum, Epsilon, y,
                    Mean, InverseDeviation, layer.workspace);
            }
            else
            {
                layer.batchNorm.Infer(
                    shape, x, layer.Weight.Values, layer.Bias.Values, layer.RunningMean.Values, layer.RunningVariance.Values, Epsilon, y);
            }
        }

        /// <summary>dX from dY, which may be the same tensor; adds to the parameters' gradients, but for a frozen layer's.</summary>
        public void Backward(BatchNormShape shape, Tensor x, FrameCounts frames, Tensor dY, Tensor dX)
        {
            if (layer.IsFrozen)
            {
                // With fixed statistics y is linear in x: the gradient is what inference makes of dY with neither mean nor bias.
                Tensor none = zeros.As(new Shape(layer.Features));
                none.Fill(0);
                layer.batchNorm.Infer(shape, dY, layer.Weight.Values, none, none, layer.RunningVariance.Values, Epsilon, dX);
                return;
            }

            layer.workspace.Reserve(layer.batchNorm.WorkspaceFor(shape));
            layer.batchNorm.Backward(
                shape, x, frames.Device, layer.Weight.Values, Mean, InverseDeviation, dY, dX, layer.Weight.Gradient, layer.Bias.Gradient, layer.workspace);
        }

        public void Dispose()
        {
            mean.Dispose();
            inverseDeviation.Dispose();
            zeros.Dispose();
        }
    }
}
