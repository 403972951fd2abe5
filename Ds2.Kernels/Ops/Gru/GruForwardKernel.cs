using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using CellLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>,
    ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, GruStep>;
using PackStatesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int>;

/// <summary>One frame of the recurrence: the skinny product h U^T for all three gates of some units, the gates, and the new state, in one launch.</summary>
/// <remarks>
/// A group makes 8 units of up to 8 utterances, of one direction; a warp one unit. U is packed before the first frame, in the order in which the warps read it: for each unit and 256 k
/// its three gates, and of each gate four k of each lane, then the next four (or in half precision all eight at once). So a warp reads pieces of 512 bytes one after the other, and U crosses memory once a
/// frame; where there are more than 8 utterances, the groups that share a part of U run side by side and meet in the second-level cache. Each element of U goes from memory to one register, where it
/// serves all utterances. The states of the frame before lie packed as well: blocks of 256 k of 8 utterances, zero beyond the last, which pass through shared memory. Both are
/// loaded a chunk ahead of the products that need them. In the end the lanes' sums are added in a fixed order, then a thread turns one unit of one utterance into its gates and state.
/// Odd frames walk U backwards, units and k, so that what was read last, still in the second-level cache, is read first.
/// Source: Diamos et al., "Persistent RNNs", ICML 2016, for what bounds the recurrence; Appleyard et al., arXiv:1604.01946, for the fusion.
/// </remarks>
internal sealed class GruForwardKernel(IlgpuEngine engine, RecurrentPrecision precision)
    : GruFrameKernel(engine, precision, Threads, Units, PackKernel)
{
    private const int Threads = 256;
    private const int Units = Threads / 32;
    private const int Chunk = 256;

    // In units of Float4, two for each thread: a chunk of k of all utterances. In the end the same memory holds the lanes' sums of one gate.
    private const int StateBuffer = Utterances * Chunk / 4;

    private readonly CellLauncher cell = engine.Load<CellLauncher>(precision == RecurrentPrecision.Fp32 ? CellKernel : CellHalfKernel);

    private readonly PackStatesLauncher packStates = engine.Load<PackStatesLauncher>(PackStatesKernel);

    /// <summary>The length of the packed states of two frames, all directions.</summary>
    public static int StatesLength(GruShape shape) => TwoFrames(shape, Chunks(shape.H), Chunk);

    /// <summary>Queues filling the states that the first frame reads.</summary>
    /// <param name="initial">[N, H], of one direction; null for zeros.</param>
    /// <param name="states">[<see cref="StatesLength"/>]; overwritten.</param>
    public void Start(Tensor? initial, Tensor states)
    {
        states.Fill(0);
        if (initial is not null)
            packStates(Stream, IlgpuEngine.Cover(initial.Length, Threads), initial.View(), states.View(), initial.Length, initial.Shape[1], states.Length / 2);
    }

    /// <summary>Queues one frame of each direction.</summary>
    /// <param name="step">The sizes and the frame.</param>
    /// <param name="weights">The parameters of each direction.</param>
    /// <param name="packed">U of each direction, packed.</param>
    /// <param name="states">[<see cref="StatesLength"/>]: at first as <see cref="Start"/> leaves them; even frames read the second half and write the first, odd ones the other way.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="hidden">[Directions, T, N, H]: the states before are read, this frame's written.</param>
    /// <param name="initial">[N, H], of one direction: the state before the first frame; null for zeros.</param>
    /// <param name="gates">[Directions, T, N, 3H]: W x + b, overwritten with the gates.</param>
    /// <param name="candidates">[Directions, T, N, H]: U_n h + c_n, written.</param>
    public void Launch(
        GruStep step, ReadOnlySpan<GruWeights> weights, Tensor packed, Tensor states, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor gates,
        Tensor candidates)
    {
        Tensor before = Before(ref step, isFirst: step.Done == 0, hidden, initial);
        cell(
            Stream, Frame(step, weights.Length), gates.View(), candidates.View(), hidden.View(), before.View(), lengths.View(), packed.View(),
            states.View(), weights[0].RecurrentBias.View(), weights[^1].RecurrentBias.View(), step);
    }

    /// <inheritdoc/>
    protected override int Fp32Length(int h) => checked(h * Chunks(h) * 3 * Chunk);

    private static int Chunks(int h) => Groups(h, Chunk);

    /// <summary>A thread writes 128 bits: a lane's four k of a gate of a unit, or both fours in half precision; zero beyond the last k.</summary>
    [GpuKernel(Threads)]
    private static void PackKernel(ArrayView<float> recurrent, ArrayView<float> packed, int fours, int h, int half, int aligned)
    {
        int i = Grid.GlobalIndex.X;
        if (i < fours)
        {
            int lane = i & 31;
            int row = half != 0 ? i >> 5 : i >> 6; // of (unit, chunk, gate)
            int chunks = Chunks(h);
            int gate = row % 3;
            int chunk = row / 3 % chunks;
            int unit = row / (3 * chunks);
            int k = chunk * Chunk + 4 * lane;
            if (half == 0)
                k += 4 * (i & 32);
            int index = (gate * h + unit) * h + k;
            Float4 four = Float4.Load(recurrent, index, h - k, aligned);
            if (half != 0)
                four = EightHalves.Encode(four, Float4.Load(recurrent, index + Chunk / 2, h - k - Chunk / 2, aligned));
            packed.Cast<Float4>()[i] = four;
        }
    }

    /// <summary>Puts the states before the first frame where it reads them.</summary>
    [GpuKernel(Threads)]
    private static void PackStatesKernel(ArrayView<float> initial, ArrayView<float> states, int length, int h, int start)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
        {
            int n = i / h;
            int j = i - n * h;
            states[start + (n / Utterances * Chunks(h) + j / Chunk) * Chunk * Utterances + n % Utterances * Chunk + j % Chunk] = initial[i];
        }
    }

    [GpuKernel(Threads)]
    private static void CellKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> states,
        ArrayView<float> bias0, ArrayView<float> bias1, GruStep step) =>
        Cell(gates, candidates, hidden, before, lengths, packed, states, bias0, bias1, step, half: false);

    [GpuKernel(Threads, NeedsHalf = true)]
    private static void CellHalfKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> states,
        ArrayView<float> bias0, ArrayView<float> bias1, GruStep step) =>
        Cell(gates, candidates, hidden, before, lengths, packed, states, bias0, bias1, step, half: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Cell(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> states,
        ArrayView<float> bias0, ArrayView<float> bias1, GruStep step, bool half)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * StateBuffer);
        ArrayView<Float4> products = SharedMemory.Allocate<Float4>(3 * Units * Utterances);
        int thread = Group.IdxX;
        bool odd = (step.Done & 1) != 0;
        int direction = odd ? Grid.DimZ - 1 - Grid.IdxZ : Grid.IdxZ;
        int unit0 = (odd ? Grid.DimY - 1 - Grid.IdxY : Grid.IdxY) * Units;
        int chunks = Chunks(step.H);

        // In blocks of a chunk: this group's states in the half that the frame before wrote, and in the half that this one writes.
        int reads = (direction * Grid.DimX + Grid.IdxX) * chunks;
        int writes = reads;
        if (odd)
            writes += Grid.DimZ * Grid.DimX * chunks;
        else
            reads += Grid.DimZ * Grid.DimX * chunks;
        Sums sums0 = default, sums1 = default;
        if (step.HasBefore != 0)
        {
            int unit = IntrinsicMath.Min(unit0 + thread / 32, step.H - 1); // One that does not exist repeats the last.
            Product(ref sums0, ref sums1, shared, packed, (direction * step.H + unit) * chunks, states, reads, chunks, step.Done & 1, half);
        }

        AddLanes(shared, products, 0, sums0.R, sums1.R);
        AddLanes(shared, products, 1, sums0.Z, sums1.Z);
        AddLanes(shared, products, 2, sums0.N, sums1.N);
        Group.Barrier();
        int utterance = thread / Units;
        int n = Grid.IdxX * Utterances + utterance;
        int j = unit0 + thread % Units;
        if (thread < Units * Utterances && n < step.N && j < step.H)
        {
            ArrayView<float> bias = direction == 0 ? bias0 : bias1;
            float h = Update(gates, candidates, hidden, before, lengths, bias, step, direction, n, j, products);
            states[(writes + j / Chunk) * Chunk * Utterances + utterance * Chunk + j % Chunk] = h;
        }
    }

    /// <summary>A unit's three rows of U, from <paramref name="row"/> on, times the states: this lane's part of the sums over k, downwards in odd frames.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Product(
        ref Sums sums0, ref Sums sums1, ArrayView<Float4> shared, ArrayView<float> packed, int row, ArrayView<float> states, int block, int chunks, int odd,
        bool half)
    {
        int thread = Group.IdxX;
        int lane = thread & 31;
        int sizeU = half ? 3 * 32 : 6 * 32;
        int chunk0 = odd * (chunks - 1);
        int sign = 1 - 2 * odd;
        int indexU = (row + chunk0) * sizeU + lane;
        int indexH = (block + chunk0) * StateBuffer + thread;
        Weights own = half ? FetchHalves(packed, indexU) : Fetch(packed, indexU);
        Weights further = default;
        if (!half)
            further = Fetch(packed, indexU + 32);
        Float4 first = states.Cast<Float4>()[indexH];
        Float4 second = states.Cast<Float4>()[indexH + Threads];
        int buffer = 0;
        for (int left = chunks - 1; left >= 0; left--)
        {
            shared[buffer + thread] = first;
            shared[buffer + thread + Threads] = second;

            // Nobody writes this buffer before all have passed the next barrier, and so have done with it.
            Group.Barrier();
            ArrayView<Float4> from = shared.SubView(buffer + lane, StateBuffer - lane);
            buffer ^= StateBuffer;
            indexU += sign * sizeU;
            indexH += sign * StateBuffer;
            if (left > 0)
            {
                first = states.Cast<Float4>()[indexH];
                second = states.Cast<Float4>()[indexH + Threads];
            }

            Weights weights0 = half ? First(own) : own;
            Weights weights1 = half ? Second(own) : further;
            if (half && left > 0)
                own = FetchHalves(packed, indexU);
            MultiplyAdd(ref sums0, weights0, from, 0);
            MultiplyAdd(ref sums1, weights0, from, 4 * Chunk / 4);
            if (!half && left > 0)
                own = Fetch(packed, indexU);
            MultiplyAdd(ref sums0, weights1, from, 32);
            MultiplyAdd(ref sums1, weights1, from, 32 + 4 * Chunk / 4);
            if (!half && left > 0)
                further = Fetch(packed, indexU + 32);
        }
    }

    /// <summary>The gates and the new state of one unit of one utterance.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Update(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> bias, GruStep step,
        int direction, int n, int j, ArrayView<Float4> products)
    {
        int frame = direction == 0 ? step.Done : step.T - 1 - step.Done;
        int row = (direction * step.T + frame) * step.N + n;
        int gate = row * 3 * step.H + j;
        int state = row * step.H + j;
        float previous = 0;
        if (step.HasBefore != 0)
            previous = before[direction == 0 ? state - step.Before : state + step.Before];
        float candidate = ProductOf(products, 2) + bias[2 * step.H + j];
        float r = GruActivations.Sigmoid(gates[gate] + (ProductOf(products, 0) + bias[j]));
        float z = GruActivations.Sigmoid(gates[gate + step.H] + (ProductOf(products, 1) + bias[step.H + j]));
        float c = GruActivations.Tanh(gates[gate + 2 * step.H] + r * candidate);
        bool live = frame < lengths[n];
        float h = live ? (1 - z) * c + z * previous : 0;
        gates[gate] = live ? r : 0;
        gates[gate + step.H] = live ? z : 0;
        gates[gate + 2 * step.H] = live ? c : 0;
        candidates[state] = live ? candidate : 0;
        hidden[state] = h;
        return h;
    }

    /// <summary>A lane's four k of the three gates.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights Fetch(ArrayView<float> packed, int index)
    {
        ArrayView<Float4> lane = packed.Cast<Float4>().SubView(index, 4 * 32 + 1);
        return new Weights { R = lane[0], Z = lane[2 * 32], N = lane[4 * 32] };
    }

    /// <summary>A lane's eight k of the three gates, in half precision.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights FetchHalves(ArrayView<float> packed, int index)
    {
        ArrayView<Float4> lane = packed.Cast<Float4>().SubView(index, 2 * 32 + 1);
        return new Weights { R = lane[0], Z = lane[32], N = lane[2 * 32] };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights First(Weights halves) =>
        new() { R = EightHalves.First(halves.R), Z = EightHalves.First(halves.Z), N = EightHalves.First(halves.N) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights Second(Weights halves) =>
        new() { R = EightHalves.Second(halves.R), Z = EightHalves.Second(halves.Z), N = EightHalves.Second(halves.N) };

    /// <summary>Adds the products of four k: one unit's three gates with four utterances.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums sums, Weights weights, ArrayView<Float4> states, int from)
    {
        Float4 h = states[from];
        sums.R.X = Float4.Dot(weights.R, h, sums.R.X);
        sums.Z.X = Float4.Dot(weights.Z, h, sums.Z.X);
        sums.N.X = Float4.Dot(weights.N, h, sums.N.X);
        h = states[from + Chunk / 4];
        sums.R.Y = Float4.Dot(weights.R, h, sums.R.Y);
        sums.Z.Y = Float4.Dot(weights.Z, h, sums.Z.Y);
        sums.N.Y = Float4.Dot(weights.N, h, sums.N.Y);
        h = states[from + 2 * Chunk / 4];
        sums.R.Z = Float4.Dot(weights.R, h, sums.R.Z);
        sums.Z.Z = Float4.Dot(weights.Z, h, sums.Z.Z);
        sums.N.Z = Float4.Dot(weights.N, h, sums.N.Z);
        h = states[from + 3 * Chunk / 4];
        sums.R.W = Float4.Dot(weights.R, h, sums.R.W);
        sums.Z.W = Float4.Dot(weights.Z, h, sums.Z.W);
        sums.N.W = Float4.Dot(weights.N, h, sums.N.W);
    }

    /// <summary>Adds up a warp's 32 sums of one gate, for each of eight utterances: four lanes an utterance take eight of them each.</summary>
    /// <remarks>An utterance's lanes start at its own number, so that all lanes of the warp read different banks.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddLanes(ArrayView<Float4> shared, ArrayView<Float4> products, int gate, Float4 sums0, Float4 sums1)
    {
        int lane = Group.IdxX & 31;
        int warp = Group.IdxX / 32;
        ArrayView<float> lanes = shared.Cast<float>().SubView(warp * 32 * Utterances, 32 * Utterances);
        Group.Barrier();
        PutFour(lanes, lane, sums0);
        PutFour(lanes, lane + 4 * 32, sums1);
        Group.Barrier();
        int utterance = lane / 4;
        int from = utterance * 32 + (lane & 3) * 8;
        float sum = 0;
        for (int i = 0; i < 8; i++)
            sum += lanes[from + ((i + utterance) & 7)];
        products.Cast<float>()[(gate * Units + warp) * 32 + lane] = sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutFour(ArrayView<float> lanes, int index, Float4 four)
    {
        lanes[index] = four.X;
        lanes[index + 32] = four.Y;
        lanes[index + 64] = four.Z;
        lanes[index + 96] = four.W;
    }

    /// <summary>The product of a gate's row with the state, for this thread's unit and utterance: the sum of its four parts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float ProductOf(ArrayView<Float4> products, int gate)
    {
        Float4 parts = products[(gate * Units + Group.IdxX % Units) * Utterances + Group.IdxX / Units];
        return parts.X + parts.Y + (parts.Z + parts.W);
    }

    /// <summary>Elements of a unit's three rows of U: four of each, or eight in half precision.</summary>
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
