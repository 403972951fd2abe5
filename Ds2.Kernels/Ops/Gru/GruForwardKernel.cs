using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using CellLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>,
    ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, GruStep>;

/// <summary>The sizes of a layer, and which frame a launch computes.</summary>
internal struct GruStep
{
    public int T;
    public int N;
    public int H;

    /// <summary>How many frames of each direction are done; direction 0 is at this frame (or backward, this many from the end), direction 1 opposite.</summary>
    public int Done;
}

/// <summary>One frame of the recurrence: the skinny product h U^T for all three gates of some units, the gates, and the new state, in one launch.</summary>
/// <remarks>
/// A group makes 8 units of up to 16 utterances, of one direction; a warp one unit. Its lanes lie along the previous state's units, four each, so that
/// the warp reads 512 contiguous bytes of each of the unit's three rows of U, and U crosses memory once a frame for up to 16 utterances. Each element of U
/// goes from memory to one register, where it serves all utterances, whose states pass through shared memory, 128 units at a time, or 256 for up to eight
/// utterances. U's next elements are asked for as soon as the last ones are used: while a warp waits for its own, the fifteen others of the multiprocessor
/// compute. In the end the lanes' sums are added in a fixed order, then a thread turns one unit of one utterance into its gates and state.
/// Source: Diamos et al., "Persistent RNNs", ICML 2016, for what bounds the recurrence; Appleyard et al., arXiv:1604.01946, for the fusion.
/// </remarks>
internal sealed class GruForwardKernel(IlgpuEngine engine)
{
    /// <summary>Utterances of a group.</summary>
    public const int Utterances = 16;

    /// <summary>Up to so many utterances take half as long.</summary>
    public const int Few = Utterances / 2;

    private const int Threads = 256;
    private const int Units = Threads / 32;

    // In units of Float4: two for each thread.
    private const int StateBuffer = 2 * Threads;

    // A warp's share of the same memory in the end, in floats: the lanes' sums of one gate.
    private const int LaneSums = 32 * Utterances;

    private readonly CellLauncher cell = engine.Load<CellLauncher>(CellKernel);
    private readonly CellLauncher cellUnaligned = engine.Load<CellLauncher>(CellUnalignedKernel);

    /// <summary>Queues one frame of each direction.</summary>
    /// <param name="step">The sizes and the frame.</param>
    /// <param name="weights">The parameters of each direction.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="hidden">[Directions, T, N, H]: the states before are read, this frame's written.</param>
    /// <param name="gates">[Directions, T, N, 3H]: W x + b, overwritten with the gates.</param>
    /// <param name="candidates">[Directions, T, N, H]: U_n h + c_n, written.</param>
    public void Launch(GruStep step, ReadOnlySpan<GruWeights> weights, IntTensor lengths, Tensor hidden, Tensor gates, Tensor candidates)
    {
        GruWeights first = weights[0];
        GruWeights last = weights[^1];
        bool aligned = IsAligned(first.Recurrent, step) && IsAligned(last.Recurrent, step) && IsAligned(hidden, step);
        var grid = new Index3D((step.N + Utterances - 1) / Utterances, (step.H + Units - 1) / Units, weights.Length);
        (aligned ? cell : cellUnaligned)(
            engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), gates.View(), candidates.View(), hidden.View(), lengths.View(),
            first.Recurrent.View(), first.RecurrentBias.View(), last.Recurrent.View(), last.RecurrentBias.View(), step);
    }

    /// <summary>Whether each four elements of the matrix's rows, of H elements or a multiple, can be moved with 128 bits.</summary>
    internal static bool IsAligned(Tensor matrix, GruStep step) => new GemmOperand(matrix, 0, step.H).Aligned;

    [GpuKernel(Threads)]
    private static void CellKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> bias0, ArrayView<float> weight1, ArrayView<float> bias1, GruStep step) =>
        Cell(gates, candidates, hidden, lengths, weight0, bias0, weight1, bias1, step, aligned: true);

    [GpuKernel(Threads)]
    private static void CellUnalignedKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> bias0, ArrayView<float> weight1, ArrayView<float> bias1, GruStep step) =>
        Cell(gates, candidates, hidden, lengths, weight0, bias0, weight1, bias1, step, aligned: false);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Cell(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> bias0, ArrayView<float> weight1, ArrayView<float> bias1, GruStep step, bool aligned)
    {
        ArrayView<Float4> states = SharedMemory.Allocate<Float4>(2 * StateBuffer);
        ArrayView<float> sums = SharedMemory.Allocate<float>(3 * Units * Utterances * 2);

        // One call for each: a view chosen with ?: would lose its alignment, and with it the 128-bit loads. And a loop for each number of utterances:
        // branches in it would cost a register's copy for each sum.
        if (Grid.IdxZ == 0)
        {
            if (step.N <= Few)
                Frame(gates, candidates, hidden, lengths, weight0, bias0, step, aligned, few: true, states, sums);
            else
                Frame(gates, candidates, hidden, lengths, weight0, bias0, step, aligned, few: false, states, sums);
        }
        else
        {
            if (step.N <= Few)
                Frame(gates, candidates, hidden, lengths, weight1, bias1, step, aligned, few: true, states, sums);
            else
                Frame(gates, candidates, hidden, lengths, weight1, bias1, step, aligned, few: false, states, sums);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Frame(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<int> lengths,
        ArrayView<float> weight, ArrayView<float> bias, GruStep step, bool aligned, bool few, ArrayView<Float4> states, ArrayView<float> sums)
    {
        int thread = Group.IdxX;
        int warp = thread >> 5;
        int direction = Grid.IdxZ;
        int frame = direction == 0 ? step.Done : step.T - 1 - step.Done;
        int before = direction == 0 ? frame - 1 : frame + 1;
        int unit0 = Grid.IdxY * Units;
        int utterance0 = Grid.IdxX * Utterances;
        int utterances = IntrinsicMath.Min(Utterances, step.N - utterance0);
        int depth = step.Done == 0 ? 0 : step.H;
        int rows = few ? Few : Utterances;
        int stateRow = StateBuffer / rows;

        // What this thread fetches: its lane's four units, of its warp's three rows of U (a unit that does not exist repeats the last), and of two states.
        int gate = step.H * step.H;
        int rowU = IntrinsicMath.Min(unit0 + warp, step.H - 1) * step.H;
        int k = 4 * (thread & 31);
        int kState = 4 * (thread & (stateRow - 1));
        int utterance = thread / stateRow;
        int stepH = rows / 2 * step.H;
        int rowH = ((direction * step.T + before) * step.N + utterance0 + utterance) * step.H;
        bool hasFirst = utterance < utterances;
        bool hasSecond = utterance + rows / 2 < utterances;
        Weights own = default;
        Weights further = default;
        if (depth > 0)
        {
            own = FetchWeights(weight, aligned, rowU, gate, k, depth);
            if (few)
                further = FetchWeights(weight, aligned, rowU, gate, k + 128, depth);
            states[thread] = Fetch(hidden, aligned, rowH + kState, hasFirst ? depth - kState : 0);
            states[thread + Threads] = Fetch(hidden, aligned, rowH + stepH + kState, hasSecond ? depth - kState : 0);
            Group.Barrier();
        }

        Sums sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        int buffer = 0;
        for (int k0 = 0; k0 < depth; k0 += 4 * stateRow)
        {
            k += 4 * stateRow;
            kState += 4 * stateRow;
            Float4 first = Fetch(hidden, aligned, rowH + kState, hasFirst ? depth - kState : 0);
            Float4 second = Fetch(hidden, aligned, rowH + stepH + kState, hasSecond ? depth - kState : 0);

            ArrayView<Float4> lane = states.SubView(buffer + (thread & 31), StateBuffer - 31);
            MultiplyAdd(ref sum0, own, lane, 0, stateRow);
            MultiplyAdd(ref sum1, own, lane, 4 * stateRow, stateRow);
            if (few)
            {
                MultiplyAdd(ref sum0, further, lane, 32, stateRow);
                MultiplyAdd(ref sum1, further, lane, 32 + 4 * stateRow, stateRow);
            }
            else
            {
                MultiplyAdd(ref sum2, own, lane, 8 * stateRow, stateRow);
                MultiplyAdd(ref sum3, own, lane, 12 * stateRow, stateRow);
            }

            own = FetchWeights(weight, aligned, rowU, gate, k, depth);
            if (few)
                further = FetchWeights(weight, aligned, rowU, gate, k + 128, depth);

            // Nobody reads the other buffer now: its readers passed the last barrier. The one below protects this buffer in turn.
            buffer ^= StateBuffer;
            states[buffer + thread] = first;
            states[buffer + thread + Threads] = second;
            Group.Barrier();
        }

        ArrayView<float> lanes = states.Cast<float>();
        SumLanes(lanes, sums, 0, sum0.R, sum1.R, sum2.R, sum3.R);
        SumLanes(lanes, sums, 1, sum0.Z, sum1.Z, sum2.Z, sum3.Z);
        SumLanes(lanes, sums, 2, sum0.N, sum1.N, sum2.N, sum3.N);
        Group.Barrier();
        utterance = thread / Units;
        int unit = thread % Units;
        if (utterance < utterances && unit0 + unit < step.H)
            Update(gates, candidates, hidden, lengths, bias, step, direction, frame, before, utterance0 + utterance, unit0 + unit, sums);
    }

    /// <summary>The gates and the new state of one unit of one utterance.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Update(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<int> lengths, ArrayView<float> bias, GruStep step,
        int direction, int frame, int before, int utterance, int unit, ArrayView<float> sums)
    {
        int row = (direction * step.T + frame) * step.N + utterance;
        int gate = row * 3 * step.H + unit;
        int state = row * step.H + unit;
        float previous = 0;
        if (step.Done > 0)
            previous = hidden[((direction * step.T + before) * step.N + utterance) * step.H + unit];
        float candidate = Product(sums, 2) + bias[2 * step.H + unit];
        float r = GruActivations.Sigmoid(gates[gate] + (Product(sums, 0) + bias[unit]));
        float z = GruActivations.Sigmoid(gates[gate + step.H] + (Product(sums, 1) + bias[step.H + unit]));
        float c = GruActivations.Tanh(gates[gate + 2 * step.H] + r * candidate);
        bool live = frame < lengths[utterance];
        gates[gate] = live ? r : 0;
        gates[gate + step.H] = live ? z : 0;
        gates[gate + 2 * step.H] = live ? c : 0;
        candidates[state] = live ? candidate : 0;
        hidden[state] = live ? (1 - z) * c + z * previous : 0;
    }

    /// <summary>Four elements of a unit's rows of U; aligned, those beyond their end repeat the last, since the states that they meet are zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights FetchWeights(ArrayView<float> weight, bool aligned, int row, int gate, int k, int depth)
    {
        Weights weights = default;
        if (aligned)
        {
            ArrayView<Float4> fours = weight.Cast<Float4>();
            int index = (row + IntrinsicMath.Min(k, depth - 4)) >> 2;
            weights.R = fours[index];
            weights.Z = fours[index + (gate >> 2)];
            weights.N = fours[index + (gate >> 1)];
        }
        else
        {
            weights.R = Float4.Load(weight, row + k, depth - k, aligned: 0);
            weights.Z = Float4.Load(weight, row + gate + k, depth - k, aligned: 0);
            weights.N = Float4.Load(weight, row + 2 * gate + k, depth - k, aligned: 0);
        }

        return weights;
    }

    /// <summary>Four elements from <paramref name="index"/> on, zero from the <paramref name="available"/>th on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 Fetch(ArrayView<float> matrix, bool aligned, int index, int available)
    {
        if (!aligned)
            return Float4.Load(matrix, index, available, aligned: 0);
        Float4 four = default;
        if (available > 0)
            four = matrix.Cast<Float4>()[index >> 2];
        return four;
    }

    /// <summary>Adds the products of four k: one unit's three gates with four utterances.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums sums, Weights weights, ArrayView<Float4> states, int from, int stateRow)
    {
        Float4 h = states[from];
        sums.R.X = Float4.Dot(weights.R, h, sums.R.X);
        sums.Z.X = Float4.Dot(weights.Z, h, sums.Z.X);
        sums.N.X = Float4.Dot(weights.N, h, sums.N.X);
        h = states[from + stateRow];
        sums.R.Y = Float4.Dot(weights.R, h, sums.R.Y);
        sums.Z.Y = Float4.Dot(weights.Z, h, sums.Z.Y);
        sums.N.Y = Float4.Dot(weights.N, h, sums.N.Y);
        h = states[from + 2 * stateRow];
        sums.R.Z = Float4.Dot(weights.R, h, sums.R.Z);
        sums.Z.Z = Float4.Dot(weights.Z, h, sums.Z.Z);
        sums.N.Z = Float4.Dot(weights.N, h, sums.N.Z);
        h = states[from + 3 * stateRow];
        sums.R.W = Float4.Dot(weights.R, h, sums.R.W);
        sums.Z.W = Float4.Dot(weights.Z, h, sums.Z.W);
        sums.N.W = Float4.Dot(weights.N, h, sums.N.W);
    }

    /// <summary>Adds up a warp's 32 sums of one gate, for each of sixteen utterances: two lanes an utterance take half of them each.</summary>
    /// <remarks>An utterance's lanes start at its own number, so that all lanes of the warp read different banks.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumLanes(ArrayView<float> lanes, ArrayView<float> sums, int gate, Float4 s0, Float4 s1, Float4 s2, Float4 s3)
    {
        int lane = Group.IdxX & 31;
        int warp = Group.IdxX >> 5;
        Group.Barrier();
        int put = warp * LaneSums + lane;
        PutFour(lanes, put, s0);
        PutFour(lanes, put + 4 * 32, s1);
        PutFour(lanes, put + 8 * 32, s2);
        PutFour(lanes, put + 12 * 32, s3);
        Group.Barrier();
        int utterance = lane >> 1;
        int from = warp * LaneSums + utterance * 32 + (lane & 1) * 16;
        float sum = 0;
        for (int i = 0; i < 16; i++)
            sum += lanes[from + ((i + utterance) & 15)];
        sums[((gate * Utterances + utterance) * Units + warp) * 2 + (lane & 1)] = sum;
    }

    /// <summary>The product of a gate's row with the state, for this thread's unit and utterance: the sum of its two halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Product(ArrayView<float> sums, int gate)
    {
        int from = (gate * Utterances * Units + Group.IdxX) * 2;
        return sums[from] + sums[from + 1];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutFour(ArrayView<float> lanes, int index, Float4 four)
    {
        lanes[index] = four.X;
        lanes[index + 32] = four.Y;
        lanes[index + 64] = four.Z;
        lanes[index + 96] = four.W;
    }

    /// <summary>Four elements of a unit's three rows of U.</summary>
    private struct Weights
    {
        public Float4 R, Z, N;
    }

    /// <summary>A unit's three sums for four utterances.</summary>
    private struct Sums
    {
        public Float4 R, Z, N;
    }
}
