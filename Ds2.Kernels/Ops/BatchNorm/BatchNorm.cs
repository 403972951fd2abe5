using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Batch normalisation over the valid frames of a padded batch.</summary>
/// <remarks>
/// y = weight (x - mean) / sqrt(variance + eps) + bias. In training, mean and (biased) variance are those of a feature's elements at frames
/// t &lt; lengths[n]; padded frames count neither there nor in the gradients. The running statistics move as PyTorch's do:
/// running = (1 - momentum) running + momentum batch, the variance unbiased (times m / (m - 1) for m elements; as it is for m = 1); with no valid
/// element they stay and mean 0, variance 0 serve. Statistics are summed in two passes or by Welford's update, never as E[x²] - E[x]².
/// Source: Ioffe, Szegedy, "Batch Normalization", arXiv:1502.03167, algorithm 1 and its gradients in section 3.
/// </remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class BatchNorm(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static BatchNorm On(IEngine engine) => engine.Implement<BatchNorm>(host => new HostBatchNorm(host), ilgpu => new IlgpuBatchNorm(ilgpu));

    /// <summary>Scratch that <see cref="Forward"/> and <see cref="Backward"/> need, in fp32 elements.</summary>
    public abstract int WorkspaceFor(BatchNormShape shape);

    /// <summary>Normalises with the batch's own statistics and moves the running ones.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">[N, C, F, T] or [T, N, C], by the layout.</param>
    /// <param name="lengths">[N]: valid frames of each utterance, 0..T.</param>
    /// <param name="weight">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="runningMean">[C]; updated.</param>
    /// <param name="runningVariance">[C]; updated.</param>
    /// <param name="momentum">The weight of this batch in the running statistics; PyTorch's default is 0.1.</param>
    /// <param name="epsilon">Added to the variance; 1e-5 in PyTorch.</param>
    /// <param name="y">As x; overwritten, padded frames too (with the same affine map). May be x itself only if no backward pass follows.</param>
    /// <param name="mean">[C]: the batch's mean; overwritten, kept for <see cref="Backward"/>.</param>
    /// <param name="inverseDeviation">[C]: 1 / sqrt(variance + eps); overwritten, kept for <see cref="Backward"/>.</param>
    /// <param name="workspace">At least <see cref="WorkspaceFor"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, outputs overlap inputs, or the workspace is short.</exception>
    public void Forward(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance,
        float momentum, float epsilon, Tensor y, Tensor mean, Tensor inverseDeviation, Workspace workspace)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, x, y);
        var features = new Shape(shape.C);
        Check.Is(lengths, Engine, new Shape(shape.N));
        Check.Is(weight, Engine, features);
        Check.Is(bias, Engine, features);
        Check.Is(runningMean, Engine, features);
        Check.Is(runningVariance, Engine, features);
        Check.Is(mean, Engine, features);
        Check.Is(inverseDeviation, Engine, features);
        Check.Is(workspace, Engine);
        workspace.Begin(WorkspaceFor(shape));
        if (shape.C > 0)
            ForwardCore(shape, x, lengths, weight, bias, runningMean, runningVariance, momentum, epsilon, y, mean, inverseDeviation, workspace);
    }

    /// <summary>Normalises with the running statistics, as at evaluation.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">[N, C, F, T] or [T, N, C], by the layout.</param>
    /// <param name="weight">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="runningMean">[C].</param>
    /// <param name="runningVariance">[C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="y">As x; overwritten, padded frames too. May be x itself.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or y overlaps x in part.</exception>
    public void Infer(
        BatchNormShape shape, Tensor x, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance, float epsilon, Tensor y)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, x, y);
        var features = new Shape(shape.C);
        Check.Is(weight, Engine, features);
        Check.Is(bias, Engine, features);
        Check.Is(runningMean, Engine, features);
        Check.Is(runningVariance, Engine, features);
        if (shape.X.Length > 0)
            InferCore(shape, x, weight, bias, runningMean, runningVariance, epsilon, y);
    }

    /// <summary>The gradients of a loss, given dY, through the batch statistics.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">As given to <see cref="Forward"/>.</param>
    /// <param name="lengths">[N], as given to <see cref="Forward"/>.</param>
    /// <param name="weight">[C].</param>
    /// <param name="mean">[C], from <see cref="Forward"/>.</param>
    /// <param name="inverseDeviation">[C], from <see cref="Forward"/>.</param>
    /// <param name="dY">As x; what stands at padded frames is ignored.</param>
    /// <param name="dX">As x; overwritten, 0 at padded frames. May be dY itself.</param>
    /// <param name="dWeight">[C]; accumulated.</param>
    /// <param name="dBias">[C]; accumulated.</param>
    /// <param name="workspace">At least <see cref="WorkspaceFor"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, outputs overlap inputs, or the workspace is short.</exception>
    public void Backward(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor mean, Tensor inverseDeviation,
        Tensor dY, Tensor dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, x, dX);
        var features = new Shape(shape.C);
        Check.Is(lengths, Engine, new Shape(shape.N));
        Check.Is(weight, Engine, features);
        Check.Is(mean, Engine, features);
        Check.Is(inverseDeviation, Engine, features);
        Check.Is(dY, Engine, shape.X);
        Check.Is(dWeight, Engine, features);
        Check.Is(dBias, Engine, features);
        Check.Disjoint(dX, x);
        Check.SameOrDisjoint(dX, dY);
        Check.Is(workspace, Engine);
        workspace.Begin(WorkspaceFor(shape));
        if (shape.X.Length > 0)
            BackwardCore(shape, x, lengths, weight, mean, inverseDeviation, dY, dX, dWeight, dBias, workspace);
    }

    /// <summary><see cref="Forward"/> on validated arguments, at least one feature.</summary>
    protected abstract void ForwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance,
        float momentum, float epsilon, Tensor y, Tensor mean, Tensor inverseDeviation, Workspace workspace);

    /// <summary><see cref="Infer"/> on validated arguments, not empty.</summary>
    protected abstract void InferCore(
        BatchNormShape shape, Tensor x, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance, float epsilon, Tensor y);

    /// <summary><see cref="Backward"/> on validated arguments, not empty.</summary>
    protected abstract void BackwardCore(
        BatchNormShape shape, Tensor x, IntTensor lengths, Tensor weight, Tensor mean, Tensor inverseDeviation,
        Tensor dY, Tensor dX, Tensor dWeight, Tensor dBias, Workspace workspace);

    private void CheckCommon(BatchNormShape shape, Tensor x, Tensor output)
    {
        Check.That(shape.Layout == BatchNormLayout.ChannelsFirst || shape.F == 1, "a time-major tensor has one row a feature");
        Check.Is(x, Engine, shape.X);
        Check.Is(output, Engine, shape.X);
        Check.SameOrDisjoint(output, x);
    }
}
