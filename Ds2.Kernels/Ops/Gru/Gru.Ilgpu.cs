using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using AddDirectionsLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int>;
using AddFramesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, int, int>;
using FinalStatesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int, int>;
using MaskRowsLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<int>, int, int, int>;

/// <summary><see cref="Gru"/> on a GPU.</summary>
/// <remarks>
/// What does not depend on the frame before is done for all frames at once with <see cref="GemmKernels"/>: the input projections ahead of the loop;
/// dX, dW and dU after it. In between is one launch a frame for both directions: <see cref="GruForwardKernel"/>, <see cref="GruBackwardKernel"/>, which read U from a packed copy; or, where the groups of
/// <see cref="GruPassKernel"/> or <see cref="GruStreamKernel"/> fit the device, one launch for all frames.
/// The projections are made in the gates' own memory, where the cell replaces them.
/// </remarks>
internal sealed class IlgpuGru(IlgpuEngine engine, RecurrentPrecision precision) : Gru(engine)
{
    private const int Threads = 256;
    private const int Columns = 32;
    private const int Rows = Threads / Columns;

    private readonly GemmKernels gemm = new(engine);
    private readonly GruForwardKernel forward = new(engine, precision);
    private readonly GruBackwardKernel backward = new(engine, precision);
    private readonly GruForwardPassKernel forwardPass = new(engine, precision);
    private readonly GruBackwardPassKernel backwardPass = new(engine, precision);
    private readonly GruForwardStreamKernel forwardStream = new(engine, precision);
    private readonly GruBackwardStreamKernel backwardStream = new(engine, precision);

    private readonly AddDirectionsLauncher addDirections = engine.Load<AddDirectionsLauncher>(AddDirectionsKernel);
    private readonly FinalStatesLauncher finalStates = engine.Load<FinalStatesLauncher>(FinalStatesKernel);
    private readonly MaskRowsLauncher maskRows = engine.Load<MaskRowsLauncher>(MaskRowsKernel);
    private readonly AddFramesLauncher addFrames = engine.Load<AddFramesLauncher>(AddFramesKernel);

    /// <inheritdoc/>
    /// <remarks>Enough for every way of doing it that fewer utterances may take: whoever has memory for the largest batch has it for all.</remarks>
    public override int BackwardWorkspace(GruShape shape)
    {
        GruShape few = shape with { N = Math.Min(shape.N, GruPassKernel.Utterances) };
        int oneLaunch = Math.Max(backwardPass.Fits(few) ? backwardPass.Workspace(few) : 0, backwardStream.Fits(few) ? backwardStream.Workspace(few) : 0);
        return checked(Math.Max(oneLaunch, Math.Max(Frames(shape), Frames(few))) + Workspace.Round(SlicesLength(shape)));

        int Frames(GruShape shape) =>
            checked(shape.Directions * backward.PackedLengthOf(shape) + backward.GradientsLength(shape) + Workspace.Round(shape.Directions * shape.N * shape.H));
    }

    /// <inheritdoc/>
    protected override int PackedLength(int hidden, int directions) =>
        checked(forward.PackedLengthOf(hidden) + forwardPass.PackedLength(hidden) + forwardStream.PackedLength(hidden, directions));

    /// <inheritdoc/>
    /// <remarks>As of <see cref="BackwardWorkspace"/>.</remarks>
    protected override int PassWorkspace(GruShape shape, bool keepsGates)
    {
        GruShape few = shape with { N = Math.Min(shape.N, GruPassKernel.Utterances) };
        int oneLaunch = Math.Max(forwardPass.Fits(few) ? GruForwardPassKernel.Workspace(few) : 0, forwardStream.Fits(few) ? forwardStream.Workspace(few) : 0);
        return checked((keepsGates ? 0 : Workspace.Round(shape.Hidden.Length)) + Math.Max(forward.StatesLength(shape), oneLaunch));
    }

    /// <inheritdoc/>
    protected override void PackCore(int hidden, ReadOnlySpan<GruWeights> weights, Tensor packed)
    {
        for (int direction = 0; direction < weights.Length; direction++)
        {
            forward.Pack(weights[direction].Recurrent, Part(ForFrames(hidden, packed), direction));
            forwardPass.Pack(weights[direction].Recurrent, Part(ForPasses(hidden, packed), direction));
            forwardStream.Pack(weights[direction].Recurrent, weights.Length, Part(ForStreams(hidden, packed), direction));
        }
    }

    /// <inheritdoc/>
    /// <remarks>Its kernel writes the candidates in any case.</remarks>
    protected override void ForwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor packed,
        Tensor y, Tensor hidden, Tensor gates, Tensor? candidates, Workspace workspace, Tensor? initial)
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

        candidates ??= workspace.Take(shape.Hidden);
        if (forwardPass.Fits(shape))
            forwardPass.Run(shape, weights, ForPasses(shape.H, packed), lengths, hidden, initial, gates, candidates, workspace);
        else if (forwardStream.Fits(shape))
            forwardStream.Run(shape, weights, ForStreams(shape.H, packed), lengths, hidden, initial, gates, candidates, workspace);
        else
            ForwardFrames(shape, weights, ForFrames(shape.H, packed), lengths, hidden, initial, gates, candidates, workspace);
        if (shape.Directions == 2)
            addDirections(Gpu.Stream, IlgpuEngine.Cover(shape.Y.Length, Threads), hidden.View(), y.View(), shape.Y.Length);
    }

    /// <inheritdoc/>
    protected override void TakeFinalStates(GruShape shape, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor final)
    {
        finalStates(
            Gpu.Stream, IlgpuEngine.Cover(final.Length, Threads), hidden.View(), (initial ?? hidden).View(), final.View(), lengths.View(),
            final.Length, shape.N, shape.H, initial is null ? 0 : 1);
    }

    /// <inheritdoc/>
    protected override void BackwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor hidden, Tensor gates, Tensor candidates,
        Tensor dY, Tensor dX, ReadOnlySpan<GruWeights> gradients, Workspace workspace, Tensor? initial, Tensor? dInitial)
    {
        if (backwardPass.Fits(shape))
            backwardPass.Run(shape, weights, lengths, hidden, initial, gates, candidates, dY, dInitial, workspace);
        else if (backwardStream.Fits(shape))
            backwardStream.Run(shape, weights, lengths, hidden, initial, gates, candidates, dY, dInitial, workspace);
        else
            BackwardFrames(shape, weights, lengths, hidden, initial, gates, candidates, dY, dInitial, workspace);
        int frames = shape.T * shape.N;
        int gateCount = 3 * shape.H;
        Tensor? slices = SlicesLength(shape) is > 0 and int length ? workspace.Take(new Shape(length)) : null;

        // A zero gradient does not silence a NaN that stands in the padding: dW wants the input with zeros there, made in dX, which is written last.
        if (shape.I > 0)
            maskRows(Gpu.Stream, IlgpuEngine.Cover(shape.X.Length, Threads), x.View(), dX.View(), lengths.View(), shape.X.Length, shape.N, shape.I);
        for (int direction = 0; direction < shape.Directions; direction++)
        {
            var dGates = new GemmOperand(gates, direction * frames * gateCount, gateCount);
            var dCandidates = new GemmOperand(candidates, direction * frames * shape.H, shape.H);
            if (shape.I > 0)
            {
                gemm.Multiply(
                    new GemmShape(gateCount, shape.I, frames, TransposeA: true), dGates, new GemmOperand(dX, 0, shape.I),
                    new GemmOperand(gradients[direction].Input, 0, shape.I), 1, null, slices);
            }

            AddRecurrentGradient(shape, direction, hidden, initial, dGates, dCandidates, gradients[direction].Recurrent, slices);
            addFrames(
                Gpu.Stream, new KernelConfig((4 * shape.H + Columns - 1) / Columns, Threads), Part(gates, direction).View(), Part(candidates, direction).View(),
                gradients[direction].InputBias.View(), gradients[direction].RecurrentBias.View(), frames, shape.H);
        }

        for (int direction = 0; direction < shape.Directions && shape.I > 0; direction++)
        {
            gemm.Multiply(
                new GemmShape(frames, shape.I, gateCount), new GemmOperand(gates, direction * frames * gateCount, gateCount),
                new GemmOperand(weights[direction].Input, 0, shape.I), new GemmOperand(dX, 0, shape.I), direction, null);
        }
    }

    /// <summary>The recurrence, a launch a frame.</summary>
    private void ForwardFrames(
        GruShape shape, ReadOnlySpan<GruWeights> weights, Tensor packed, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor gates, Tensor candidates, Workspace workspace)
    {
        Tensor states = workspace.Take(new Shape(forward.StatesLength(shape)));
        forward.Start(initial, states);
        var step = new GruStep { T = shape.T, N = shape.N, H = shape.H };
        for (; step.Done < shape.T; step.Done++)
            forward.Launch(step, weights, packed, states, lengths, hidden, initial, gates, candidates);
    }

    /// <summary>The recurrence backwards, a launch a frame.</summary>
    private void BackwardFrames(
        GruShape shape, ReadOnlySpan<GruWeights> weights, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor gates, Tensor candidates, Tensor dY, Tensor? dInitial,
        Workspace workspace)
    {
        Tensor packed = workspace.Take(new Shape(shape.Directions, backward.PackedLengthOf(shape)));
        Tensor following = workspace.Take(new Shape(backward.GradientsLength(shape)));
        Tensor carry = dInitial ?? workspace.Take(new Shape(shape.Directions, shape.N, shape.H));
        for (int direction = 0; direction < shape.Directions; direction++)
            backward.Pack(shape, weights[direction].Recurrent, Part(packed, direction));
        following.Fill(0);
        var step = new GruStep { T = shape.T, N = shape.N, H = shape.H };
        int steps = dInitial is null ? shape.T : shape.T + 1;
        for (; step.Done < steps; step.Done++)
            backward.Launch(shape, step, packed, following, lengths, hidden, initial, gates, candidates, dY, carry);
    }

    /// <summary>dU += sum over frames of the gradients there times the state before, which at the direction's first frame is zero, or the initial one.</summary>
    private void AddRecurrentGradient(
        GruShape shape, int direction, Tensor hidden, Tensor? initial, GemmOperand dGates, GemmOperand dCandidates, Tensor dRecurrent, Tensor? slices)
    {
        int first = direction == 0 ? shape.N : 0;
        AddProduct((shape.T - 1) * shape.N, first, new GemmOperand(hidden, (direction * shape.T * shape.N + shape.N - first) * shape.H, shape.H));
        if (initial is not null)
            AddProduct(shape.N, 0, new GemmOperand(initial, 0, shape.H));

        // Of so many rows of (utterance, frame), from one of the gradients' on.
        void AddProduct(int rows, int from, GemmOperand before)
        {
            if (rows == 0)
                return;
            gemm.Multiply(
                new GemmShape(2 * shape.H, shape.H, rows, TransposeA: true), dGates with { Offset = dGates.Offset + from * dGates.Stride }, before,
                new GemmOperand(dRecurrent, 0, shape.H), 1, null, slices);
            gemm.Multiply(
                new GemmShape(shape.H, shape.H, rows, TransposeA: true), dCandidates with { Offset = dCandidates.Offset + from * dCandidates.Stride }, before,
                new GemmOperand(dRecurrent, 2 * shape.H * shape.H, shape.H), 1, null, slices);
        }
    }

    /// <summary>What the products of the weight gradients want for slices of their sums over all frames: one after the other, the same memory.</summary>
    private int SlicesLength(GruShape shape)
    {
        int frames = shape.T * shape.N;
        return Math.Max(
            gemm.SlicesLength(new GemmShape(3 * shape.H, shape.I, frames, TransposeA: true)),
            Math.Max(
                gemm.SlicesLength(new GemmShape(2 * shape.H, shape.H, frames, TransposeA: true)), gemm.SlicesLength(new GemmShape(shape.H, shape.H, frames, TransposeA: true))));
    }

    /// <summary>The packed recurrent weights of all directions as a launch a frame reads them: they come first.</summary>
    private Tensor ForFrames(int hidden, Tensor packed) => packed.Slice(0, new Shape(packed.Shape[0], forward.PackedLengthOf(hidden)));

    /// <summary>The packed recurrent weights of all directions as one launch for all frames reads them.</summary>
    private Tensor ForPasses(int hidden, Tensor packed)
    {
        int directions = packed.Shape[0];
        return packed.Slice(directions * forward.PackedLengthOf(hidden), new Shape(directions, forwardPass.PackedLength(hidden)));
    }

    /// <summary>The packed recurrent weights of all directions as one launch reads them that keeps some of them: they come last.</summary>
    private Tensor ForStreams(int hidden, Tensor packed)
    {
        int directions = packed.Shape[0];
        return packed.Slice(
            directions * (forward.PackedLengthOf(hidden) + forwardPass.PackedLength(hidden)), new Shape(directions, forwardStream.PackedLength(hidden, directions)));
    }

    /// <summary>What a tensor holds of one direction.</summary>
    private static Tensor Part(Tensor tensor, int direction)
    {
        int length = tensor.Length / tensor.Shape[0];
        return tensor.Slice(direction * length, new Shape(length));
    }

    /// <summary>y = the forward direction's states + the backward one's.</summary>
    [GpuKernel(Threads)]
    private static void AddDirectionsKernel(ArrayView<float> hidden, ArrayView<float> y, int length)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
            y[i] = hidden[i] + hidden[length + i];
    }

    /// <summary>The state at each utterance's last frame; of an empty one the initial state, or 0.</summary>
    [GpuKernel(Threads)]
    private static void FinalStatesKernel(
        ArrayView<float> hidden, ArrayView<float> initial, ArrayView<float> final, ArrayView<int> lengths, int length, int utterances, int h, int hasInitial)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
        {
            int frames = lengths[i / h];
            float state = 0;
            if (frames > 0)
                state = hidden[(frames - 1) * utterances * h + i];
            else if (hasInitial != 0)
                state = initial[i];
            final[i] = state;
        }
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

    /// <summary>Adds the sums over all frames of (dr', dz', dn') to the input bias' gradient and those of (dr', dz', du) to the recurrent one's, each read once.</summary>
    /// <remarks>A group takes 32 of the 4H columns; each warp every eighth row, and the eight sums are added in order.</remarks>
    [GpuKernel(Threads)]
    private static void AddFramesKernel(
        ArrayView<float> dGates, ArrayView<float> dCandidates, ArrayView<float> dInputBias, ArrayView<float> dRecurrentBias, int rows, int h)
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(Threads);
        int thread = Group.IdxX;
        int column = Grid.IdxX * Columns + (thread & (Columns - 1));
        float sum = 0;
        if (column < 3 * h)
        {
            for (int row = thread / Columns; row < rows; row += Rows)
                sum += dGates[row * 3 * h + column];
        }
        else if (column < 4 * h)
        {
            for (int row = thread / Columns; row < rows; row += Rows)
                sum += dCandidates[row * h + (column - 3 * h)];
        }

        sums[thread] = sum;
        Group.Barrier();
        if (thread < Columns && column < 4 * h)
        {
            sum = 0;
            for (int i = thread; i < Threads; i += Columns)
                sum += sums[i];
            if (column < 3 * h)
                dInputBias[column] += sum;
            if (column < 2 * h)
                dRecurrentBias[column] += sum;
            else if (column >= 3 * h)
                dRecurrentBias[column - h] += sum;
        }
    }
}
