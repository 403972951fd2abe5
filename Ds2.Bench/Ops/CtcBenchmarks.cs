using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Ops;

namespace Ds2.Bench.Ops;

/// <summary>The loss on texts of one label to ten frames.</summary>
public class CtcBenchmarks : OpBenchmark
{
    private const int Classes = 29;

    private Ctc ctc = null!;
    private LogSoftmax logSoftmax = null!;
    private Tensor logits = null!, logProbabilities = null!, losses = null!, alpha = null!, dLogits = null!;
    private IntTensor frames = null!, labels = null!, labelCounts = null!;

    private CtcShape Shape => new(Frames, Batch, Classes, Frames / 10);

    internal override Bound BoundOf(string method) => Bound.Copying;

    /// <summary>Log-softmax and the losses.</summary>
    [Benchmark]
    public void Forward()
    {
        logSoftmax.Forward(logits, logProbabilities);
        ctc.Forward(Shape, logProbabilities, frames, labels, labelCounts, losses, alpha);
        Engine.Synchronize();
    }

    /// <summary>The gradient of the logits.</summary>
    [Benchmark]
    public void Backward()
    {
        ctc.Backward(
            Shape, logProbabilities, frames, labels, labelCounts, losses, alpha, 1f / Batch, dLogits, Workspace);
        Engine.Synchronize();
    }

    // Logits in, log-probabilities out and in again, alpha out; or both in and the gradient out.
    internal override double Work(string method) =>
        4.0 * ((method == nameof(Forward) ? 3.0 : 2.0) * Shape.LogProbabilities.Length + Shape.Alpha.Length);

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Prepare()
    {
        ctc = Ctc.On(Engine);
        logSoftmax = LogSoftmax.On(Engine);
        logits = Random(Shape.LogProbabilities);
        logProbabilities = Zero(Shape.LogProbabilities);
        losses = Zero(new Shape(Batch));
        alpha = Zero(Shape.Alpha);
        dLogits = Zero(Shape.LogProbabilities);
        frames = Counts(Frames);
        labelCounts = Counts(Shape.L);
        labels = Own(Engine.AllocateInt(Shape.Labels));
        labels.CopyFrom([.. Enumerable.Range(0, Shape.Labels.Length).Select(i => 1 + i * 7 % (Classes - 1))]);
        Workspace.Reserve(ctc.BackwardWorkspace(Shape));
        Forward();
        Backward();
        return [losses, dLogits];
    }
}
