using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, GruStream>;
using PackStatesLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;

/// <summary>All frames of a wide layer's recurrence in one launch: what <see cref="GruForwardKernel"/> does in one a frame, with some of U on the chip.</summary>
/// <remarks>
/// A thread of the product makes the three gates of a unit. Then a thread makes one state of one utterance, first of utterances 0 to 3, then of 4 to 7. What it needs of the frame is loaded before the wait for the
/// states; what the next frame needs is written first, then the group arrives at the barrier, then the rest is written.
/// </remarks>
internal sealed class GruForwardStreamKernel(IlgpuEngine engine, RecurrentPrecision precision) : GruStreamKernel(
    engine, precision, precision == RecurrentPrecision.Fp32 ? PassKernel : PassHalfKernel, outputsOfUnit: 3)
{
    private const int Threads = GruStreamProduct.Threads;

    // In Float4: two chunks of states, or the sums of four utterances.
    private const int SharedLength = GruStreamProduct.SumsLength;
    private const int PackThreads = 256;

    // Of 64 bits, a thread and chunk of states.
    private const int Copies = 2;

    // Of each of a thread's two states: r, z, n, the candidate, and the state itself.
    private const int Values = 5;

    // The most lanes: a thread for each of four utterances.
    private const int MostLanes = Threads / 4;

    // A thread that makes no state.
    private const int None = -1;

    private readonly PackLauncher? pack = engine.HasCooperativeLaunch ? engine.Load<PackLauncher>(PackKernel) : null;
    private readonly PackStatesLauncher? packStates = engine.HasCooperativeLaunch ? engine.Load<PackStatesLauncher>(PackStatesKernel) : null;

    /// <inheritdoc/>
    protected override int MostSlices => GruStreamProduct.MostSlices(Copies, IsHalf);

    /// <summary>Scratch that <see cref="Run"/> takes, in fp32 elements.</summary>
    public int Workspace(GruShape shape) => checked(Contract.Workspace.Round(Handed(shape).Length) + Contract.Workspace.Round(Barriers(shape.Directions).Length));

    /// <summary>Queues packing U: once for all frames.</summary>
    /// <param name="recurrent">U of one direction, [3H, H].</param>
    /// <param name="directions">Directions of the layer.</param>
    /// <param name="packed">[<see cref="GruStreamKernel.PackedLength"/>]; overwritten.</param>
    public void Pack(Tensor recurrent, int directions, Tensor packed)
    {
        int h = recurrent.Shape[1], pieces = packed.Length / (GruStreamProduct.KeptLength / Threads * 4);
        int half = IsHalf ? 1 : 0, aligned = new GemmOperand(recurrent, 0, h).Aligned ? 1 : 0;
        if (pieces > 0)
            pack!(Engine.Stream, IlgpuEngine.Cover(pieces, PackThreads), recurrent.View(), packed.View(), pieces, half, aligned, Sizes(h, directions));
    }

    /// <summary>Queues all frames of all directions.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="weights">The parameters of each direction.</param>
    /// <param name="packed">[Directions, <see cref="GruStreamKernel.PackedLength"/>]: U, packed.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="hidden">[Directions, T, N, H]: written.</param>
    /// <param name="initial">[N, H], of one direction: the state before the first frame; null for zeros.</param>
    /// <param name="gates">[Directions, T, N, 3H]: W x + b, overwritten with the gates.</param>
    /// <param name="candidates">[Directions, T, N, H]: U_n h + c_n, written.</param>
    /// <param name="workspace"><see cref="Workspace"/> elements are taken.</param>
    public void Run(
        GruShape shape, ReadOnlySpan<GruWeights> weights, Tensor packed, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor gates, Tensor candidates,
        Workspace workspace)
    {
        Tensor states = workspace.Take(Handed(shape));
        ArrayView<int> barrier = workspace.Take(Barriers(shape.Directions)).View().Cast<int>();
        GruStream pass = Sizes(shape.H, shape.Directions);
        pass.T = shape.T;
        pass.N = shape.N;
        pass.HasInitial = initial is null ? 0 : 1;
        pass.Looks = Engine.BarrierLooks;

        // Neither units that do not exist nor utterances may be NaN: they are multiplied by zeros.
        states.Fill(0);
        if (initial is not null)
        {
            packStates!(
                Engine.Stream, IlgpuEngine.Cover(initial.Length, PackThreads), initial.View(), states.View(), initial.Length, shape.H, pass.FrameLength, IsHalf ? 1 : 0);
        }

        Kernel.Launch(
            new Index3D(Groups(shape.H, shape.Directions), 1, shape.Directions), barrier,
            gates.View(), candidates.View(), hidden.View(), (initial ?? hidden).View(), lengths.View(), packed.View(), weights[0].RecurrentBias.View(),
            weights[^1].RecurrentBias.View(), states.View(), states.View().Address(), barrier, barrier.Address(), pass);
    }

    /// <summary>A thread packs its piece of one chunk: of three gates of a unit.</summary>
    [GpuKernel(PackThreads, NeedsHalf = true)]
    private static void PackKernel(ArrayView<float> recurrent, ArrayView<float> packed, int pieces, int half, int aligned, GruStream sizes)
    {
        int i = Grid.GlobalIndex.X;
        if (i < pieces)
        {
            int block = i / Threads;
            int group = block / sizes.Chunks;
            int chunk = GruStreamProduct.Chunk(block - group * sizes.Chunks, sizes.Chunks);
            int slice = i % Threads / sizes.Lanes;
            int unit = group * sizes.Lanes + i % Threads - slice * sizes.Lanes;
            int h = sizes.H;
            for (int triple = 0; triple < 2; triple++)
            {
                if (half != 0)
                {
                    int k = (chunk * sizes.Slices + slice) * GruStreamProduct.Depth(true) + triple * 8;
                    int left = unit < h ? h - k : 0;
                    GruStreamProduct.Pack(
                        packed, i, triple, true, Float4.Load(recurrent, unit * h + k, left, aligned), Float4.Load(recurrent, (h + unit) * h + k, left, aligned),
                        Float4.Load(recurrent, (2 * h + unit) * h + k, left, aligned), Float4.Load(recurrent, unit * h + k + 4, left - 4, aligned),
                        Float4.Load(recurrent, (h + unit) * h + k + 4, left - 4, aligned), Float4.Load(recurrent, (2 * h + unit) * h + k + 4, left - 4, aligned));
                }
                else
                {
                    int k = (chunk * sizes.Slices + slice) * GruStreamProduct.Depth(false) + triple * 4;
                    int left = unit < h ? h - k : 0;
                    GruStreamProduct.Pack(
                        packed, i, triple, false, Float4.Load(recurrent, unit * h + k, left, aligned), Float4.Load(recurrent, (h + unit) * h + k, left, aligned),
                        Float4.Load(recurrent, (2 * h + unit) * h + k, left, aligned), default, default, default);
                }
            }
        }
    }

    /// <summary>Puts the states before the first frame where it reads them.</summary>
    [GpuKernel(PackThreads)]
    private static void PackStatesKernel(ArrayView<float> initial, ArrayView<float> states, int length, int h, int start, int half)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
        {
            int n = i / h;
            int place = half != 0 ? GruStreamProduct.Place(i - n * h, true) : GruStreamProduct.Place(i - n * h, false);
            states[start + place + n] = initial[i];
        }
    }

    [GpuKernel(Threads, GroupsPerMultiprocessor = 1, IsCooperative = true)]
    private static void PassKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<int> lengths, ArrayView<float> packed,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> states, long statesAddress, ArrayView<int> barrier, long barrierAddress, GruStream pass) =>
        Pass(gates, candidates, hidden, initial, lengths, packed, bias0, bias1, states, statesAddress, barrier, barrierAddress, pass, half: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 1, IsCooperative = true, NeedsHalf = true)]
    private static void PassHalfKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<int> lengths, ArrayView<float> packed,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> states, long statesAddress, ArrayView<int> barrier, long barrierAddress, GruStream pass) =>
        Pass(gates, candidates, hidden, initial, lengths, packed, bias0, bias1, states, statesAddress, barrier, barrierAddress, pass, half: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pass(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<int> lengths, ArrayView<float> packed,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> states, long statesAddress, ArrayView<int> barrier, long barrierAddress, GruStream pass, bool half)
    {
        ArrayView<Float4> kept = SharedMemory.Allocate<Float4>(GruStreamProduct.KeptLength);
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(SharedLength);
        ArrayView<float> values = SharedMemory.Allocate<float>(2 * Values * Threads);
        ArrayView<float> bias = SharedMemory.Allocate<float>(3 * MostLanes);
        ArrayView<int> frames = SharedMemory.Allocate<int>(GruStreamProduct.Utterances);
        ArrayView<int> cells = SharedMemory.Allocate<int>(Threads);
        ArrayView<int> seen = SharedMemory.Allocate<int>(1);
        ArrayView<int> zero = SharedMemory.Allocate<int>(1);
        int thread = Group.IdxX;
        int direction = Grid.IdxZ;
        int multiplier = IntrinsicMath.Min(thread, pass.Lanes * pass.Slices - 1);
        int block = (direction * Grid.DimX + Grid.IdxX) * pass.Chunks;
        GruStreamProduct.Pieces u = GruStreamProduct.Load(packed, block, pass.Chunks, multiplier);
        GruStreamProduct.Keep(kept, packed, block, pass.Chunks, multiplier);
        GruStreamProduct.Piece next = GruStreamProduct.Fetch(packed, block, multiplier);

        // The unit, and the first of the two utterances, of which this thread makes the state; nothing beyond the last unit. Read again from shared memory in each frame: what follows from it would take registers.
        int lanes = pass.Lanes;
        int four = thread / lanes;
        cells[thread] = four < GruStreamProduct.Utterances / 2 && Grid.IdxX * lanes + thread - four * lanes < pass.H ? four * Threads + thread - four * lanes : None;
        if (thread == 0)
            zero[0] = 0;
        if (thread < GruStreamProduct.Utterances)
            frames[thread] = thread < pass.N ? lengths[thread] : 0;
        if (thread < lanes && Grid.IdxX * lanes + thread < pass.H)
        {
            int j = Grid.IdxX * lanes + thread;
            bias[thread] = direction == 0 ? bias0[j] : bias1[j];
            bias[MostLanes + thread] = direction == 0 ? bias0[pass.H + j] : bias1[pass.H + j];
            bias[2 * MostLanes + thread] = direction == 0 ? bias0[2 * pass.H + j] : bias1[2 * pass.H + j];
        }

        StartState(initial, values, pass, cells[thread], 0);
        StartState(initial, values, pass, cells[thread], 1);
        int mine = GruStreamProduct.Own(pass, half);
        for (int done = 0; done < pass.T; done++)
        {
            // All are on their way before the first is waited for.
            int cell = cells[thread];
            Gates first = LoadGates(gates, pass, done, cell, 0);
            Gates second = LoadGates(gates, pass, done, cell, 1);
            KeepGates(first, values, 0);
            KeepGates(second, values, 1);
            GruStreamProduct.Sums sums = default;
            if (done > 0)
            {
                if (!GridBarrier.Wait(seen, barrier, barrierAddress, direction, done * Grid.DimX, pass.Looks))
                    return;
            }

            if (done > 0 || pass.HasInitial != 0)
            {
                long from = statesAddress + (direction * 2 + (done & 1 ^ 1)) * pass.FrameLength * (long)sizeof(float);
                GruStreamProduct.Position at = GruStreamProduct.Begin(shared, mine, from, pass, Copies);
                Group.Barrier();
                GruStreamProduct.Multiply(ref sums, ref next, at, u, kept, shared, packed, block, pass, Copies, zero[0], half);
            }

            cell = cells[thread];
            ArrayView<float> to = states.SubView((direction * 2 + (done & 1)) * pass.FrameLength, pass.FrameLength);
            GruStreamProduct.Put(shared.Cast<float>(), sums.Low0, sums.Low1, sums.Low2);
            Group.Barrier();
            Update(bias, frames, shared.Cast<float>(), values, to, pass, done, cell, 0, half);
            Group.Barrier();
            GruStreamProduct.Put(shared.Cast<float>(), sums.High0, sums.High1, sums.High2);
            Group.Barrier();
            Update(bias, frames, shared.Cast<float>(), values, to, pass, done, cell, 1, half);
            if (done < pass.T - 1)
                GridBarrier.Arrive(barrier, direction);
            cell = cells[thread];
            Store(gates, candidates, hidden, values, pass, done, cell, 0);
            Store(gates, candidates, hidden, values, pass, done, cell, 1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StartState(ArrayView<float> initial, ArrayView<float> values, GruStream pass, int cell, int second)
    {
        float state = 0;
        if (pass.HasInitial != 0 && Exists(pass, cell, second))
            state = initial[Utterance(cell, second) * pass.H + Unit(pass, cell)];
        Own(values, second)[4 * Threads] = state;
    }

    /// <summary>What the input makes of a unit's gates.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Gates LoadGates(ArrayView<float> gates, GruStream pass, int done, int cell, int second)
    {
        // Without a condition, so that nothing waits between two loads: where there is nothing to load, the group's first unit, which nobody uses.
        bool exists = Exists(pass, cell, second);
        cell = exists ? cell : 0;
        int gate = Row(pass, done, cell, exists ? second : 0) * 3 * pass.H + Unit(pass, cell);
        return new Gates { R = gates[gate], Z = gates[gate + pass.H], N = gates[gate + 2 * pass.H] };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void KeepGates(Gates gates, ArrayView<float> values, int second)
    {
        ArrayView<float> own = Own(values, second);
        own[0] = gates.R;
        own[Threads] = gates.Z;
        own[2 * Threads] = gates.N;
    }

    /// <summary>The gates and the new state of one unit of one utterance.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Update(
        ArrayView<float> bias, ArrayView<int> frames, ArrayView<float> sums, ArrayView<float> values, ArrayView<float> to, GruStream pass, int done, int cell, int second, bool half)
    {
        if (Exists(pass, cell, second))
        {
            int lane = cell % Threads;
            ArrayView<float> own = Own(values, second);
            bool live = (Grid.IdxZ == 0 ? done : pass.T - 1 - done) < frames[Utterance(cell, second)];
            float candidate = GruStreamProduct.Sum(sums, 2, cell / Threads, lane, pass) + bias[2 * MostLanes + lane];
            float r = GruActivations.Sigmoid(own[0] + (GruStreamProduct.Sum(sums, 0, cell / Threads, lane, pass) + bias[lane]));
            float z = GruActivations.Sigmoid(own[Threads] + (GruStreamProduct.Sum(sums, 1, cell / Threads, lane, pass) + bias[MostLanes + lane]));
            float c = GruActivations.Tanh(own[2 * Threads] + r * candidate);
            float h = live ? (1 - z) * c + z * own[4 * Threads] : 0;
            to[GruStreamProduct.Place(Unit(pass, cell), half) + Utterance(cell, second)] = h;
            own[0] = live ? r : 0;
            own[Threads] = live ? z : 0;
            own[2 * Threads] = live ? c : 0;
            own[3 * Threads] = live ? candidate : 0;
            own[4 * Threads] = h;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> values, GruStream pass, int done, int cell, int second)
    {
        if (Exists(pass, cell, second))
        {
            int j = Unit(pass, cell);
            int row = Row(pass, done, cell, second);
            int gate = row * 3 * pass.H + j;
            ArrayView<float> own = Own(values, second);
            gates[gate] = own[0];
            gates[gate + pass.H] = own[Threads];
            gates[gate + 2 * pass.H] = own[2 * Threads];
            candidates[row * pass.H + j] = own[3 * Threads];
            hidden[row * pass.H + j] = own[4 * Threads];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Exists(GruStream pass, int cell, int second) => cell != None && Utterance(cell, second) < pass.N;

    private static int Unit(GruStream pass, int cell) => Grid.IdxX * pass.Lanes + cell % Threads;

    private static int Utterance(int cell, int second) => cell / Threads + second * GruStreamProduct.Utterances / 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Row(GruStream pass, int done, int cell, int second) =>
        (Grid.IdxZ * pass.T + (Grid.IdxZ == 0 ? done : pass.T - 1 - done)) * pass.N + Utterance(cell, second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ArrayView<float> Own(ArrayView<float> values, int second) => values.SubView(second * Values * Threads + Group.IdxX, (Values - 1) * Threads + 1);

    /// <summary>A unit's three gates.</summary>
    private struct Gates
    {
        public float R, Z, N;
    }
}
