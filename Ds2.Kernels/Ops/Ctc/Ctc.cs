using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Connectionist temporal classification: the negative log-probability of a text, summed over all its alignments.</summary>
/// <remarks>
/// Lattice: states s = 0..2L; even states are blanks, state 2i + 1 is label i. With y the log-probabilities,
/// alpha[0, 0] = y[0, blank], alpha[0, 1] = y[0, label 0], and
/// alpha[t, s] = y[t, s] + logsumexp(alpha[t-1, s], alpha[t-1, s-1], alpha[t-1, s-2] if state s is a label unlike the label of s - 2);
/// loss = -logsumexp(alpha[T'-1, 2L], alpha[T'-1, 2L-1]) over an utterance's own T' frames. Backward runs the mirror recursion for beta
/// (without y at its own frame) and gives the gradient with respect to the logits directly: softmax minus occupancy,
/// d logits[t, k] = scale (exp y[t, k] - sum over states of k of exp(alpha[t, s] + beta[t, s] + loss)).
/// An infeasible text (fewer frames than labels plus repeats) has loss +inf and gradient zero. An empty text is the all-blank alignment; with no frames
/// either its loss is 0. Source: Graves et al., "Connectionist Temporal Classification", ICML 2006, sections 4.1 and 4.2 (equations 6 to 16).
/// </remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Ctc(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Ctc On(IEngine engine) => engine.Implement<Ctc>(host => new HostCtc(host), ilgpu => new IlgpuCtc(ilgpu));

    /// <summary>Scratch that <see cref="Backward"/> needs, in fp32 elements.</summary>
    public abstract int BackwardWorkspace(CtcShape shape);

    /// <summary>The losses, and the forward variables for <see cref="Backward"/>.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="logProbabilities">[T, N, C], from log-softmax; element (t, n, c) at (t N + n) C + c.</param>
    /// <param name="frames">[N]: valid frames of each utterance, 0..T.</param>
    /// <param name="labels">[N, max(L, 1)]: each text's labels, none of them the blank; what follows a text's end is ignored.</param>
    /// <param name="labelCounts">[N]: the labels of each text, 0..L.</param>
    /// <param name="losses">[N], nats; overwritten. +inf where the text cannot fit the frames.</param>
    /// <param name="alpha">[N, T, 2 L + 1], natural logarithms; overwritten where t and s are within the utterance, kept for <see cref="Backward"/>.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, or outputs overlap inputs.</exception>
    public void Forward(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, logProbabilities, frames, labels, labelCounts, losses, alpha);
        Check.Disjoint(losses, logProbabilities);
        Check.Disjoint(alpha, logProbabilities);
        if (shape.N > 0)
            ForwardCore(shape, logProbabilities, frames, labels, labelCounts, losses, alpha);
    }

    /// <summary>The gradient of scale * sum of the finite losses with respect to the logits that log-softmax was given.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="logProbabilities">[T, N, C], as given to <see cref="Forward"/>.</param>
    /// <param name="frames">[N], as given to <see cref="Forward"/>.</param>
    /// <param name="labels">[N, max(L, 1)], as given to <see cref="Forward"/>.</param>
    /// <param name="labelCounts">[N], as given to <see cref="Forward"/>.</param>
    /// <param name="losses">[N], from <see cref="Forward"/>.</param>
    /// <param name="alpha">From <see cref="Forward"/>.</param>
    /// <param name="scale">The factor on every utterance's gradient: 1 / N for a loss averaged over the batch.</param>
    /// <param name="dLogits">[T, N, C]; overwritten, 0 at padded frames and for infeasible texts.</param>
    /// <param name="workspace">At least <see cref="BackwardWorkspace"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, outputs overlap inputs, or the workspace is short.</exception>
    public void Backward(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha,
        float scale, Tensor dLogits, Workspace workspace)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, logProbabilities, frames, labels, labelCounts, losses, alpha);
        Check.Is(dLogits, Engine, shape.LogProbabilities);
        Check.Disjoint(dLogits, logProbabilities);
        Check.Disjoint(dLogits, alpha);
        Check.Is(workspace, Engine);
        workspace.Begin(BackwardWorkspace(shape));
        if (shape.LogProbabilities.Length > 0)
            BackwardCore(shape, logProbabilities, frames, labels, labelCounts, losses, alpha, scale, dLogits, workspace);
    }

    /// <summary><see cref="Forward"/> on validated arguments, at least one utterance.</summary>
    protected abstract void ForwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha);

    /// <summary><see cref="Backward"/> on validated arguments, not empty.</summary>
    protected abstract void BackwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha,
        float scale, Tensor dLogits, Workspace workspace);

    private void CheckCommon(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha)
    {
        Check.That(shape.Blank >= 0 && shape.Blank < shape.C, "the blank is one of the classes");
        Check.Is(logProbabilities, Engine, shape.LogProbabilities);
        Check.Is(frames, Engine, new Shape(shape.N));
        Check.Is(labels, Engine, shape.Labels);
        Check.Is(labelCounts, Engine, new Shape(shape.N));
        Check.Is(losses, Engine, new Shape(shape.N));
        Check.Is(alpha, Engine, shape.Alpha);
    }
}
