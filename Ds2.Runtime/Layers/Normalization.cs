using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>Batch normalisation with its parameters and running statistics: a part of the layers below.</summary>
internal sealed class Normalization : IDisposable
{
    /// <summary>PyTorch's default: the weight of a batch in the running statistics.</summary>
    private const float Momentum = 0.1f;

    /// <summary>PyTorch's default: added to the variance.</summary>
    private const float Epsilon = 1e-5f;

    private readonly BatchNorm batchNorm;
    private readonly Workspace workspace;
    private readonly Parameter weight;
    private readonly Parameter bias;
    private readonly Statistic runningMean;
    private readonly Statistic runningVariance;
    private readonly Tensor mean;
    private readonly Tensor inverseDeviation;

    /// <param name="name">The prefix of its names in PyTorch's state dict, as <c>conv.1</c>.</param>
    /// <param name="features">Channels or features.</param>
    /// <param name="parameters">Where its parameters are declared.</param>
    /// <param name="workspace">Scratch memory.</param>
    public Normalization(string name, int features, ParameterSet parameters, Workspace workspace)
    {
        IEngine engine = parameters.Engine;
        var shape = new Shape(features);
        this.workspace = workspace;
        batchNorm = BatchNorm.On(engine);
        weight = parameters.DeclareConstant($"{name}.weight", shape, 1);
        bias = parameters.DeclareConstant($"{name}.bias", shape, 0);
        runningMean = parameters.DeclareStatistic($"{name}.running_mean", shape, 0);
        runningVariance = parameters.DeclareStatistic($"{name}.running_var", shape, 1);
        mean = engine.Allocate(shape);
        inverseDeviation = engine.Allocate(shape);
    }

    /// <summary>Weight and bias.</summary>
    public Parameter[] Parameters => [weight, bias];

    /// <summary>The scratch memory for a training batch, fp32 elements.</summary>
    public int WorkspaceFor(BatchNormShape shape) => batchNorm.WorkspaceFor(shape);

    /// <summary>y = normalised x. <paramref name="y"/> may be x only at inference.</summary>
    public void Forward(BatchNormShape shape, Tensor x, FrameCounts frames, Tensor y, bool training)
    {
        if (training)
        {
            workspace.Reserve(batchNorm.WorkspaceFor(shape));
            batchNorm.Forward(
                shape, x, frames.Device, weight.Values, bias.Values, runningMean.Values, runningVariance.Values, Momentum, Epsilon, y,
                mean, inverseDeviation, workspace);
        }
        else
        {
            batchNorm.Infer(shape, x, weight.Values, bias.Values, runningMean.Values, runningVariance.Values, Epsilon, y);
        }
    }

    /// <summary>dX from dY, which may be the same tensor; adds to the parameters' gradients.</summary>
    public void Backward(BatchNormShape shape, Tensor x, FrameCounts frames, Tensor dY, Tensor dX)
    {
        workspace.Reserve(batchNorm.WorkspaceFor(shape));
        batchNorm.Backward(
            shape, x, frames.Device, weight.Values, mean, inverseDeviation, dY, dX, weight.Gradient, bias.Gradient, workspace);
    }

    public void Dispose()
    {
        mean.Dispose();
        inverseDeviation.Dispose();
    }
}
