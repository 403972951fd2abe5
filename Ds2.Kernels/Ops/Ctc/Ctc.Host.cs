using System.Buffers;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Ctc"/> on the CPU: an utterance is one worker's, a frame's states are computed side by side.</summary>
internal sealed unsafe class HostCtc(HostEngine engine) : Ctc(engine)
{
    /// <inheritdoc/>
    /// <remarks>A worker's rows of the lattice come from the array pool, in both passes.</remarks>
    public override int BackwardWorkspace(CtcShape shape) => 0;

    /// <inheritdoc/>
    protected override void ForwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha)
    {
        float* y = logProbabilities.Pointer(), loss = losses.Pointer(), all = alpha.Pointer();
        int* valid = frames.Pointer(), texts = labels.Pointer(), counts = labelCounts.Pointer();
        int stride = shape.Labels[1];
        Host.Workers.For(shape.N, n =>
        {
            var lattice = new CtcLattice(shape, y + (nint)n * shape.C, texts + (nint)n * stride, counts[n], valid[n], all + (nint)n * shape.T * shape.States);
            float[] scratch = ArrayPool<float>.Shared.Rent(CtcLattice.ScratchLength(shape));
            fixed (float* rows = scratch)
                loss[n] = lattice.Forward(rows);
            ArrayPool<float>.Shared.Return(scratch);
        });
    }

    /// <inheritdoc/>
    protected override void BackwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha,
        float scale, Tensor dLogits, Workspace workspace)
    {
        float* y = logProbabilities.Pointer(), loss = losses.Pointer(), all = alpha.Pointer(), gradient = dLogits.Pointer();
        int* valid = frames.Pointer(), texts = labels.Pointer(), counts = labelCounts.Pointer();
        int stride = shape.Labels[1];
        Host.Workers.For(shape.N, n =>
        {
            float* d = gradient + (nint)n * shape.C;

            // An infinite loss is a text that cannot be: no gradient. A NaN goes on, for the gradient norm to find.
            int length = float.IsPositiveInfinity(loss[n]) ? 0 : valid[n];
            for (int t = length; t < shape.T; t++)
                new Span<float>(d + (nint)t * shape.N * shape.C, shape.C).Clear();
            if (length == 0)
                return;
            var lattice = new CtcLattice(shape, y + (nint)n * shape.C, texts + (nint)n * stride, counts[n], length, all + (nint)n * shape.T * shape.States);
            float[] scratch = ArrayPool<float>.Shared.Rent(CtcLattice.ScratchLength(shape));
            fixed (float* rows = scratch)
                lattice.Backward(rows, scale, d);
            ArrayPool<float>.Shared.Return(scratch);
        });
    }
}
