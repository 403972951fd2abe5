using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>The losses of a batch.</summary>
/// <param name="PerUtterance">[N], nats; +inf where a text does not fit its frames.</param>
/// <param name="Mean">The sum of the finite losses divided by the batch's size.</param>
/// <param name="Infeasible">The utterances whose text does not fit.</param>
public readonly record struct CtcLosses(float[] PerUtterance, double Mean, int Infeasible);

/// <summary>Log-softmax and CTC: from logits and texts to losses and the logits' gradient.</summary>
/// <param name="engine">The engine it runs on.</param>
/// <param name="blank">The index of the blank label.</param>
/// <param name="workspace">Scratch memory.</param>
public sealed class CtcCriterion(IEngine engine, int blank, Workspace workspace) : IDisposable
{
    private readonly LogSoftmax logSoftmax = LogSoftmax.On(engine);
    private readonly Ctc ctc = Ctc.On(engine);
    private readonly GrowingTensor logProbabilities = new(engine);
    private readonly GrowingTensor alpha = new(engine);
    private readonly GrowingTensor dLogits = new(engine);
    private readonly GrowingIntTensor labels = new(engine);
    private readonly GrowingIntTensor labelCounts = new(engine);
    private readonly GrowingTensor losses = new(engine);
    private float[] lossValues = [];
    private CtcShape shape;
    private FrameCounts? frames;

    private IntTensor Labels => labels.As(shape.Labels);

    private IntTensor LabelCounts => labelCounts.As(new Shape(shape.N));

    private Tensor LossTensor => losses.As(new Shape(shape.N));

    /// <summary>The bytes that a training batch takes here.</summary>
    public static long BytesFor(CtcShape shape) => sizeof(float) * (2L * shape.LogProbabilities.Length + shape.Alpha.Length + shape.Labels.Length);

    /// <summary>Takes the memory for training batches of up to this size, so that none is taken later.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public void Reserve(CtcShape largest)
    {
        logProbabilities.Reserve(largest.LogProbabilities.Length);
        dLogits.Reserve(largest.LogProbabilities.Length);
        alpha.Reserve(largest.Alpha.Length);
        labels.Reserve(largest.Labels.Length);
        workspace.Reserve(ctc.BackwardWorkspace(largest));
    }

    /// <summary>Queues the losses' computation; <see cref="Losses"/> has them after the engine's next wait.</summary>
    /// <param name="logits">[T, N, C] and each utterance's frames.</param>
    /// <param name="texts">N texts as labels, none of them the blank.</param>
    public void Forward(Sequence logits, IReadOnlyList<int[]> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        Shape size = logits.Values.Shape;
        shape = new CtcShape(size[0], size[1], size[2], texts.Max(text => text.Length), blank);
        frames = logits.Frames;
        Upload(texts);
        Tensor y = logProbabilities.As(size);
        logSoftmax.Forward(logits.Values, y);
        ctc.Forward(shape, y, frames.Device, Labels, LabelCounts, LossTensor, alpha.As(shape.Alpha));
        lossValues = new float[shape.N];
        LossTensor.CopyToLater(lossValues);
    }

    /// <summary>The losses of the last <see cref="Forward"/>; the engine must have been waited for since (<see cref="IEngine.Synchronize"/>).</summary>
    public CtcLosses Losses()
    {
        float[] values = lossValues;
        double sum = 0;
        int infeasible = 0;
        foreach (float value in values)
        {
            if (float.IsPositiveInfinity(value))
                infeasible++;
            else
                sum += value;
        }

        return new CtcLosses(values, sum / values.Length, infeasible);
    }

    /// <summary>The gradient of <see cref="CtcLosses.Mean"/> with respect to the logits; overwritten by the next call.</summary>
    /// <param name="utterances">What the sum of the losses is divided by, where the mean is over more than this batch; null for the batch's size.</param>
    /// <returns>[T, N, C].</returns>
    public Tensor Backward(int? utterances = null)
    {
        Tensor gradient = dLogits.As(shape.LogProbabilities);
        workspace.Reserve(ctc.BackwardWorkspace(shape));
        ctc.Backward(
            shape, logProbabilities.As(shape.LogProbabilities), frames!.Device, Labels, LabelCounts, LossTensor, alpha.As(shape.Alpha),
            1f / (utterances ?? shape.N), gradient, workspace);
        return gradient;
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        logProbabilities.Dispose();
        alpha.Dispose();
        dLogits.Dispose();
        labels.Dispose();
        labelCounts.Dispose();
        losses.Dispose();
    }

    private void Upload(IReadOnlyList<int[]> texts)
    {
        var padded = new int[shape.Labels.Length];
        var counts = new int[shape.N];
        for (int n = 0; n < texts.Count; n++)
        {
            texts[n].CopyTo(padded, n * shape.Labels[1]);
            counts[n] = texts[n].Length;
        }

        Labels.CopyFrom(padded);
        LabelCounts.CopyFrom(counts);
    }
}
