using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using CellLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<int>,
    ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, GruStep>;
using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;
using PackStatesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;

/// <summary>One frame of the recurrence: the skinny product h U^T for all three gates of some units, the gates, and the new state, in one launch.</summary>
/// <remarks>
/// A group makes 16 units of 8, 16 or 32 utterances, of one direction: the 48 outputs of <see cref="GruProduct"/> are the three gates of the first eight units, then of the
/// others. Three groups fit a multiprocessor at a time, and at H = 2560 all groups of a P100. A group's U is one stretch of memory. After the product a thread turns a unit of
/// an utterance into its gates and state; the new states pass through shared memory once more, so that neighbouring threads write neighbours.
/// Odd frames walk U backwards, units and k, so that what was read last, still in the second-level cache, is read first.
/// Source: Diamos et al., "Persistent RNNs", ICML 2016, for what bounds the recurrence; Appleyard et al., arXiv:1604.01946, for the fusion.
/// </remarks>
internal sealed class GruForwardKernel(IlgpuEngine engine, RecurrentPrecision precision) : GruFrameKernel(engine, precision)
{
    private const int Threads = 128;
    private const int Units = GruProduct.Outputs / 3;
    private const int PerMultiprocessor = 3;
    private const int GateOutputs = GruProduct.Lanes;

    private readonly CellLauncher cell = engine.Load<CellLauncher>(precision == RecurrentPrecision.Fp32 ? CellKernel : CellHalfKernel);
    private readonly PackLauncher pack = engine.Load<PackLauncher>(PackKernel);
    private readonly PackStatesLauncher packStates = engine.Load<PackStatesLauncher>(PackStatesKernel);

    /// <summary>The length of one direction's packed U, in fp32 elements.</summary>
    public int PackedLengthOf(int h) => PackedLength(GruProduct.PackedLength(Groups(h, Units), Blocks(h)));

    /// <summary>The length of the packed states of two frames, all directions.</summary>
    public int StatesLength(GruShape shape)
    {
        int shift = Shift(shape.N, shape.H, shape.Directions);
        return TwoFrames(shape, shift, GruProduct.Chunks(shape.H, Threads, shift), GruProduct.ChunkLength(Threads));
    }

    /// <summary>Queues packing U: once for all frames.</summary>
    /// <param name="recurrent">U of one direction, [3H, H].</param>
    /// <param name="packed">[<see cref="PackedLengthOf"/>]; overwritten.</param>
    public void Pack(Tensor recurrent, Tensor packed)
    {
        int h = recurrent.Shape[1];
        Pack(pack, recurrent, packed, GruProduct.PackThreads(Groups(h, Units), Blocks(h)), Threads);
    }

    /// <summary>Queues filling the states that the first frame reads.</summary>
    /// <param name="initial">[N, H], of one direction; null for zeros.</param>
    /// <param name="states">[<see cref="StatesLength"/>]; overwritten.</param>
    public void Start(Tensor? initial, Tensor states)
    {
        states.Fill(0);
        if (initial is not null)
        {
            int n = initial.Shape[0], h = initial.Shape[1];
            packStates(Stream, IlgpuEngine.Cover(initial.Length, Threads), initial.View(), states.View(), initial.Length, h, states.Length / 2, Shift(n, h, 1));
        }
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
        step.Shift = Shift(step.N, step.H, weights.Length);
        cell(
            Stream, Frame(step, weights.Length, Units, Threads), gates.View(), candidates.View(), hidden.View(), before.View(), lengths.View(), packed.View(),
            states.View(), weights[0].RecurrentBias.View(), weights[^1].RecurrentBias.View(), step);
    }

    private static int Blocks(int h) => GruProduct.Blocks(h, Threads);

    /// <summary>Utterances of a group: all up to 32, so that U is read once a frame; fewer where it is small and multiprocessors would have nothing to do.</summary>
    private int Shift(int utterances, int h, int directions)
    {
        int shift = ShiftFor(utterances);
        while (shift > LeastShift && Groups(utterances, 1 << shift) * Groups(h, Units) * directions < 2 * Multiprocessors)
            shift--;
        return shift;
    }

    /// <summary>A thread packs eight k of both its units' gates; zero beyond the last k and unit.</summary>
    [GpuKernel(Threads)]
    private static void PackKernel(ArrayView<float> recurrent, ArrayView<float> packed, int items, int h, int half, int aligned)
    {
        int i = Grid.GlobalIndex.X;
        if (i < items)
        {
            (int group, int output, int k) = GruProduct.Packed(i, Blocks(h));
            int unit0 = group * Units + output;
            int unit1 = unit0 + GruProduct.Lanes;
            for (int four = 0; four < 2; four++)
            {
                int left0 = unit0 < h ? h - k : 0;
                int left1 = unit1 < h ? h - k : 0;
                GruProduct.Pack(
                    packed, i, four, half,
                    Float4.Load(recurrent, unit0 * h + k, left0, aligned),
                    Float4.Load(recurrent, (h + unit0) * h + k, left0, aligned),
                    Float4.Load(recurrent, (2 * h + unit0) * h + k, left0, aligned),
                    Float4.Load(recurrent, unit1 * h + k, left1, aligned),
                    Float4.Load(recurrent, (h + unit1) * h + k, left1, aligned),
                    Float4.Load(recurrent, (2 * h + unit1) * h + k, left1, aligned));
                k += 4;
            }
        }
    }

    /// <summary>Puts the states before the first frame where it reads them.</summary>
    [GpuKernel(Threads)]
    private static void PackStatesKernel(ArrayView<float> initial, ArrayView<float> states, int length, int h, int start, int shift)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
        {
            int n = i / h;
            int group = n >> shift;
            int chunks = GruProduct.Chunks(h, Threads, shift);
            states[start + group * chunks * GruProduct.ChunkLength(Threads) + GruProduct.Place(i - n * h, n - (group << shift), Threads, shift)] = initial[i];
        }
    }

    [GpuKernel(Threads, GroupsPerMultiprocessor = PerMultiprocessor)]
    private static void CellKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> states,
        ArrayView<float> bias0, ArrayView<float> bias1, GruStep step) =>
        Cell(gates, candidates, hidden, before, lengths, packed, states, bias0, bias1, step, half: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = PerMultiprocessor, NeedsHalf = true)]
    private static void CellHalfKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> states,
        ArrayView<float> bias0, ArrayView<float> bias1, GruStep step) =>
        Cell(gates, candidates, hidden, before, lengths, packed, states, bias0, bias1, step, half: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Cell(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> states,
        ArrayView<float> bias0, ArrayView<float> bias1, GruStep step, bool half)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(GruProduct.SharedLength(Threads));
        ArrayView<float> products = SharedMemory.Allocate<float>(GruProduct.Outputs * MostRow);
        bool odd = (step.Done & 1) != 0;
        int direction = odd ? Grid.DimZ - 1 - Grid.IdxZ : Grid.IdxZ;
        int group = odd ? Grid.DimY - 1 - Grid.IdxY : Grid.IdxY;
        int unit0 = group * Units;
        int chunks = GruProduct.Chunks(step.H, Threads, step.Shift);

        // In chunks: this group's states in the half that the frame before wrote, and in the half that this one writes.
        int reads = (direction * Grid.DimX + Grid.IdxX) * chunks;
        int writes = reads;
        if (odd)
            writes += Grid.DimZ * Grid.DimX * chunks;
        else
            reads += Grid.DimZ * Grid.DimX * chunks;
        GruProduct.Sums sums = default;
        if (step.HasBefore != 0)
        {
            int block = (direction * Grid.DimY + group) * Blocks(step.H);
            GruProduct.Multiply(ref sums, shared, packed, block, states, reads, chunks, step.Done & 1, step.Shift, Threads, half);
        }

        GruProduct.Finish(sums, shared.Cast<float>(), products, step.Shift, Threads);
        Group.Barrier();
        ArrayView<float> bias = direction == 0 ? bias0 : bias1;
        for (int i = Group.IdxX; i < Units << step.Shift; i += Threads)
        {
            // Eight units side by side, then utterances, then the other eight units.
            int eight = i >> step.Shift >> 3;
            int utterance = (i >> 3) - (eight << step.Shift);
            int n = (Grid.IdxX << step.Shift) + utterance;
            int j = unit0 + eight * 8 + (i & 7);
            ArrayView<float> own = products.SubView(Output(eight * 8 + (i & 7), step.Shift) + utterance, 2 * GateOutputs * GruProduct.Row(step.Shift) + 1);
            float h = 0;
            if (n < step.N && j < step.H)
                h = Update(gates, candidates, hidden, before, lengths, bias, step, direction, n, j, own);
            own[0] = h;
        }

        Group.Barrier();
        for (int i = Group.IdxX; i < Units << step.Shift; i += Threads)
        {
            int unit = i >> step.Shift;
            int utterance = i - (unit << step.Shift);
            if (unit0 + unit < step.H)
            {
                int place = GruProduct.Place(unit0 + unit, utterance, Threads, step.Shift);
                states[writes * GruProduct.ChunkLength(Threads) + place] = products[Output(unit, step.Shift) + utterance];
            }
        }
    }

    /// <summary>Where the products of a unit's gate r begin; those of z and n follow, eight outputs further each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Output(int unit, int shift) => ((unit >> 3) * 3 * GateOutputs + (unit & 7)) * GruProduct.Row(shift);

    /// <summary>The gates and the new state of one unit of one utterance.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Update(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> before, ArrayView<int> lengths, ArrayView<float> bias, GruStep step,
        int direction, int n, int j, ArrayView<float> products)
    {
        int frame = direction == 0 ? step.Done : step.T - 1 - step.Done;
        int row = (direction * step.T + frame) * step.N + n;
        int gate = row * 3 * step.H + j;
        int state = row * step.H + j;
        float previous = 0;
        if (step.HasBefore != 0)
            previous = before[direction == 0 ? state - step.Before : state + step.Before];
        float candidate = products[2 * GateOutputs * GruProduct.Row(step.Shift)] + bias[2 * step.H + j];
        float r = GruActivations.Sigmoid(gates[gate] + (products[0] + bias[j]));
        float z = GruActivations.Sigmoid(gates[gate + step.H] + (products[GateOutputs * GruProduct.Row(step.Shift)] + bias[step.H + j]));
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
}
