using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gru"/> on a GPU.</summary>
/// <remarks>
/// What does not depend on the frame before is done for all frames at once with <see cref="GemmKernels"/>: the input projections ahead of the loop;
/// dX, dW and dU after it. In between is one launch a frame for both directions: <see cref="GruForwardKernel"/>, <see cref="GruBackwardKernel"/>.
/// The projections are made in the gates' own memory, where the cell replaces them.
/// </remarks>
internal sealed class IlgpuGru(IlgpuEngine engine) : Gru(engine)
{
    private const int Threads = 256;
    private const int Columns = 32;
    private const int Rows = Threads / Columns;

    private readonly IlgpuEngine engine = engine;
    private readonly GemmKernels gemm = new(engine);
    private readonly GruForwardKernel forward = new(engine);
    private readonly GruBackwardKernel backward = new(engine);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int> addDirections =
        engine.Load<Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int>>(AddDirectionsKernel);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int> maskRows =
        engine.Load<Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int>>(MaskRowsKernel);

    private readonly Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int> addRows =
        engine.Load<Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int>>(AddRowsKernel);

    /// <inheritdoc/>
    public override int ForwardWorkspace(GruShape shape) => 0;

    /// <inheritdoc/>
    public override int BackwardWorkspace(GruShape shape) => Workspace.Round(checked(shape.Directions * shape.N * shape.H));

    /// <inheritdoc/>
    protected override void ForwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights,
        Tensor y, Tensor hidden, Tensor gates, Tensor candidates, Workspace workspace)
    {
        int frames = shape.T * shape.N;
        int gateCount = 3 * shape.H;
        for (int direction = 0; direction < shape.Directions; direction++)
        {
            gemm.Multiply(
                new GemmShape(frames, gateCount, shape.I, TransposeB: true),
                new GemmOperand(x, 0, shape.I),
                new GemmOperand(weights[direction].Input, 0, shape.I),
                new GemmOperand(gates, direction * frames * gateCount, gateCount),
                beta: 0,
                weights[direction].InputBias);
        }

        var step = new GruStep { T = shape.T, N = shape.N, H = shape.H };
        for (; step.Done < shape.T; step.Done++)
            forward.Launch(step, weights, lengths, hidden, gates, candidates);
        if (shape.Directions == 2)
            addDirections(engine.Stream, IlgpuEngine.Cover(shape.Y.Length, Threads), hidden.View(), y.View(), shape.Y.Length);
    }

    /// <inheritdoc/>
    protected override void BackwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor hidden, Tensor gates, Tensor candidates,
        Tensor dY, Tensor dX, ReadOnlySpan<GruWeights> gradients, Workspace workspace)
    {
        Tensor carry = workspace.Take(new Shape(shape.Directions, shape.N, shape.H));
        var step = new GruStep { T = shape.T, N = shape.N, H = shape.H };
        for (; step.Done < shape.T; step.Done++)
            backward.Launch(step, weights, lengths, hidden, gates, candidates, dY, carry);

        int frames = shape.T * shape.N;
        int gateCount = 3 * shape.H;

        // A zero gradient does not silence a NaN that stands in the padding: dW wants the input with zeros there, made in dX, which is written last.
        if (shape.I > 0)
            maskRows(engine.Stream, IlgpuEngine.Cover(shape.X.Length, Threads), x.View(), dX.View(), lengths.View(), shape.X.Length, shape.N, shape.I);
        for (int direction = 0; direction < shape.Directions; direction++)
        {
            var dGates = new GemmOperand(gates, direction * frames * gateCount, gateCount);
            var dCandidates = new GemmOperand(candidates, direction * frames * shape.H, shape.H);
            if (shape.I > 0)
            {
                gemm.Multiply(
                    new GemmShape(gateCount, shape.I, frames, TransposeA: true), dGates, new GemmOperand(dX, 0, shape.I),
                    new GemmOperand(gradients[direction].Input, 0, shape.I), 1, null);
            }

            RecurrentGradient(shape, direction, hidden, dGates, dCandidates, gradients[direction].Recurrent);
            AddRows(dGates, frames, gateCount, gradients[direction].InputBias, 0);
            AddRows(dGates, frames, 2 * shape.H, gradients[direction].RecurrentBias, 0);
            AddRows(dCandidates, frames, shape.H, gradients[direction].RecurrentBias, 2 * shape.H);
        }

        for (int direction = 0; direction < shape.Directions && shape.I > 0; direction++)
        {
            gemm.Multiply(
                new GemmShape(frames, shape.I, gateCount), new GemmOperand(gates, direction * frames * gateCount, gateCount),
                new GemmOperand(weights[direction].Input, 0, shape.I), new GemmOperand(dX, 0, shape.I), direction, null);
        }
    }

    /// <summary>dU += sum over frames of the gradients there times the state before: all frames but the direction's first, whose state before is zero.</summary>
    private void RecurrentGradient(GruShape shape, int direction, Tensor hidden, GemmOperand dGates, GemmOperand dCandidates, Tensor dRecurrent)
    {
        int rows = (shape.T - 1) * shape.N;
        if (rows == 0)
            return;
        int first = direction == 0 ? shape.N : 0;
        var before = new GemmOperand(hidden, (direction * shape.T * shape.N + shape.N - first) * shape.H, shape.H);
        gemm.Multiply(
            new GemmShape(2 * shape.H, shape.H, rows, TransposeA: true), dGates with { Offset = dGates.Offset + first * dGates.Stride }, before,
            new GemmOperand(dRecurrent, 0, shape.H), 1, null);
        gemm.Multiply(
            new GemmShape(shape.H, shape.H, rows, TransposeA: true), dCandidates with { Offset = dCandidates.Offset + first * dCandidates.Stride }, before,
            new GemmOperand(dRecurrent, 2 * shape.H * shape.H, shape.H), 1, null);
    }

    private void AddRows(GemmOperand matrix, int rows, int columns, Tensor total, int offset) =>
        addRows(
            engine.Stream, new KernelConfig((columns + Columns - 1) / Columns, Threads),
            matrix.View, total.View().SubView(offset, columns), rows, columns, matrix.Stride);

    /// <summary>y = the forward direction's states + the backward one's.</summary>
    [GpuKernel(Threads)]
    private static void AddDirectionsKernel(ArrayView<float> hidden, ArrayView<float> y, int length)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
            y[i] = hidden[i] + hidden[length + i];
    }

    /// <summary>masked = x, with zeros at padded frames.</summary>
    [GpuKernel(Threads)]
    private static void MaskRowsKernel(ArrayView<float> x, ArrayView<float> masked, ArrayView<int> lengths, int length, int utterances, int features)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
        {
            int row = i / features;
            int frame = row / utterances;
            float value = 0;
            if (frame < lengths[row - frame * utterances])
                value = x[i];
            masked[i] = value;
        }
    }

    /// <summary>total[column] += the sum of the column. A group takes 32 columns; each warp every eighth row, and the eight sums are added in order.</summary>
    [GpuKernel(Threads)]
    private static void AddRowsKernel(ArrayView<float> matrix, ArrayView<float> total, int rows, int columns, int stride)
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(Threads);
        int thread = Group.IdxX;
        int column = Grid.IdxX * Columns + (thread & (Columns - 1));
        float sum = 0;
        if (column < columns)
        {
            for (int row = thread / Columns; row < rows; row += Rows)
                sum += matrix[row * stride + column];
        }

        sums[thread] = sum;
        Group.Barrier();
        if (thread < Columns && column < columns)
        {
            sum = 0;
            for (int i = thread; i < Threads; i += Columns)
                sum += sums[i];
            total[column] += sum;
        }
    }
}
