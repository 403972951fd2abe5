using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;

namespace Ds2.Kernels.Ops;

/// <summary>All frames of the recurrence in one launch: what <see cref="GruForwardKernel"/> does in one a frame, with U in registers.</summary>
/// <remarks>
/// A group makes 10 units of one direction for eight utterances; a warp one unit, of whose three rows of U each lane keeps four k of each 128. In a frame a group reads the states of all units, 4 H bytes an
/// utterance, from the second-level cache into shared memory, and each lane multiplies its k. The sum over lanes goes by shuffles, of 24 sums (three gates, eight utterances) down to three: lane l takes the
/// utterances in the order i ^ (l mod 8), so that the sum that it hands to lane l ^ 4, l ^ 2 or l ^ 1 always stands in the same register. Then a thread makes one state of one utterance.
/// The order of each sum depends on the lanes alone, and is the same for every utterance of the eight. What the next frame needs is written first, then the group arrives at the barrier, then the rest is written.
/// </remarks>
internal sealed class GruForwardPassKernel(IlgpuEngine engine, RecurrentPrecision precision) : GruPassKernel(engine, precision, PassKernel)
{
    private const int Threads = 32 * Units;

    // Of 128 k each, a Float4 a lane.
    private const int Pieces = MostHidden / 128;

    // Float4s of an utterance's states.
    private const int Row = 32 * Pieces;

    // Copies of 64 bits that a thread makes of all states, and a few more.
    private const int Copies = (2 * Utterances * Row + Threads - 1) / Threads;
    private const int Slack = 2 * (Copies * Threads - 2 * Utterances * Row);

    /// <summary>Scratch that <see cref="Run"/> takes, in fp32 elements.</summary>
    public static int Workspace(GruShape shape) => checked(Contract.Workspace.Round(States(shape).Length) + Contract.Workspace.Round(Barriers(shape).Length));

    /// <summary>Queues all frames of all directions.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="weights">The parameters of each direction.</param>
    /// <param name="packed">[Directions, <see cref="GruPassKernel.PackedLength"/>]: U, packed.</param>
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
        Tensor states = workspace.Take(States(shape));
        ArrayView<int> barrier = workspace.Take(Barriers(shape)).View().Cast<int>();
        for (int first = 0; first < shape.N; first += Utterances)
        {
            // Neither units that do not exist nor utterances may be NaN: they are multiplied by zeros.
            states.Fill(0);
            var pass = new GruPass
            {
                T = shape.T,
                N = shape.N,
                H = shape.H,
                First = first,
                HasInitial = initial is null ? 0 : 1,
                Looks = Engine.BarrierLooks,
            };
            Kernel.Launch(
                new Index3D(Groups(shape.H), 1, shape.Directions), barrier,
                gates.View(), candidates.View(), hidden.View(), (initial ?? hidden).View(), lengths.View(), packed.View(), weights[0].RecurrentBias.View(),
                weights[^1].RecurrentBias.View(), states.View(), states.View().Address(), barrier, barrier.Address(), pass);
        }
    }

    /// <summary>Of each direction, the states of two frames in turn.</summary>
    private static Shape States(GruShape shape) => new(shape.Directions * 2 * Utterances * 4 * Row + Slack);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2, IsCooperative = true)]
    private static void PassKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<int> lengths, ArrayView<float> packed,
        ArrayView<float> bias0, ArrayView<float> bias1, ArrayView<float> states, long statesAddress, ArrayView<int> barrier, long barrierAddress, GruPass pass)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(Copies * Threads / 2);
        ArrayView<float> products = SharedMemory.Allocate<float>(3 * Units * Utterances);
        ArrayView<float> inputs = SharedMemory.Allocate<float>(4 * Units * Utterances);
        ArrayView<int> seen = SharedMemory.Allocate<int>(1);
        int thread = Group.IdxX;
        int lane = thread & 31;
        int warp = thread / 32;
        int direction = Grid.IdxZ;
        int unit0 = Grid.IdxX * Units;
        int h = pass.H;
        Rows u = Load(packed, direction, IntrinsicMath.Min(unit0 + warp, h - 1), h, lane); // A unit that does not exist repeats the last.

        // The thread's own unit and utterance, of which it makes the state.
        int utterance = thread / Units;
        int j = unit0 + thread % Units;
        int n = pass.First + utterance;
        bool makes = thread < Units * Utterances && n < pass.N && j < h;
        int length = makes ? lengths[n] : 0;
        float previous = makes && pass.HasInitial != 0 ? initial[n * h + j] : 0;
        for (int i = thread; i < Utterances * Row; i += Threads)
            shared[i] = default;
        int state = ((direction == 0 ? 0 : 2 * pass.T - 1) * pass.N + n) * h + j;
        for (int done = 0; done < pass.T; done++)
        {
            int frame = direction == 0 ? done : pass.T - 1 - done;
            int gate = 3 * state - 2 * j;
            if (makes)
            {
                // Loaded before the wait, and kept in shared memory until they are used: registers are short.
                ArrayView<float> bias = direction == 0 ? bias0 : bias1;
                inputs[thread] = gates[gate] + bias[j];
                inputs[Units * Utterances + thread] = gates[gate + h] + bias[h + j];
                inputs[2 * Units * Utterances + thread] = gates[gate + 2 * h];
                inputs[3 * Units * Utterances + thread] = bias[2 * h + j];
            }

            if (done > 0)
            {
                if (!GridBarrier.Wait(seen, barrier, barrierAddress, direction, done * Grid.DimX, pass.Looks))
                    return;
                CopyStates(shared.Cast<double>(), statesAddress + (direction * 2 + (done & 1 ^ 1)) * Utterances * Row * 16L);
            }
            else if (pass.HasInitial != 0)
            {
                Group.Barrier();
                CopyInitial(shared, initial, pass);
            }

            Group.Barrier();
            Sums sums = default;
            if (done > 0 || pass.HasInitial != 0)
                sums = Product(u, shared, lane);
            if (lane < Utterances)
            {
                products[warp * Utterances + lane] = sums.R;
                products[(Units + warp) * Utterances + lane] = sums.Z;
                products[(2 * Units + warp) * Utterances + lane] = sums.N;
            }

            Group.Barrier();
            float r = 0, z = 0, c = 0, candidate = 0;
            bool live = frame < length;
            if (makes)
            {
                int product = thread % Units * Utterances + utterance;
                candidate = products[2 * Units * Utterances + product] + inputs[3 * Units * Utterances + thread];
                r = GruActivations.Sigmoid(inputs[thread] + products[product]);
                z = GruActivations.Sigmoid(inputs[Units * Utterances + thread] + products[Units * Utterances + product]);
                c = GruActivations.Tanh(inputs[2 * Units * Utterances + thread] + r * candidate);
                previous = live ? (1 - z) * c + z * previous : 0;
                states[((direction * 2 + (done & 1)) * Utterances + utterance) * 4 * Row + j] = previous;
            }

            if (done < pass.T - 1)
                GridBarrier.Arrive(barrier, direction);
            if (makes)
            {
                hidden[state] = previous;
                gates[gate] = live ? r : 0;
                gates[gate + h] = live ? z : 0;
                gates[gate + 2 * h] = live ? c : 0;
                candidates[state] = live ? candidate : 0;
            }

            state += (direction == 0 ? pass.N : -pass.N) * h;
        }
    }

    /// <summary>The states of the frame before to shared memory: all loads are under way before the first is waited for, since there is no condition.</summary>
    /// <param name="shared">Where to; a little longer than the states are.</param>
    /// <param name="from">Where the states lie on the device.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyStates(ArrayView<double> shared, long from)
    {
        int thread = Group.IdxX;
        from += thread * sizeof(double);
        GridBarrier.Load(shared, thread, from);
        GridBarrier.Load(shared, thread + Threads, from + Threads * sizeof(double));
        GridBarrier.Load(shared, thread + 2 * Threads, from + 2 * Threads * sizeof(double));
        GridBarrier.Load(shared, thread + 3 * Threads, from + 3 * Threads * sizeof(double));
        GridBarrier.Load(shared, thread + 4 * Threads, from + 4 * Threads * sizeof(double));
        GridBarrier.Load(shared, thread + 5 * Threads, from + 5 * Threads * sizeof(double));
        GridBarrier.Load(shared, thread + (Copies - 1) * Threads, from + (Copies - 1) * Threads * sizeof(double));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyInitial(ArrayView<Float4> shared, ArrayView<float> initial, GruPass pass)
    {
        ArrayView<float> to = shared.Cast<float>();
        int count = IntrinsicMath.Min(pass.N - pass.First, Utterances) * pass.H;
        for (int i = Group.IdxX; i < count; i += Threads)
            to[i / pass.H * 4 * Row + i % pass.H] = initial[pass.First * pass.H + i];
    }

    /// <summary>A unit's three rows of U times the states: in lane l the sums of utterance l mod 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Sums Product(Rows u, ArrayView<Float4> states, int lane)
    {
        Sums sums = FourApart(u, states, lane, 0).PlusThatOf(FourApart(u, states, lane, 2), 2);
        sums = sums.PlusThatOf(FourApart(u, states, lane, 1).PlusThatOf(FourApart(u, states, lane, 3), 2), 1);
        sums = sums.PlusThatOf(sums, 8);
        return sums.PlusThatOf(sums, 16);
    }

    /// <summary>The sums of utterance i ^ (lane mod 8), over the k of this lane and of the one that differs in bit 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Sums FourApart(Rows u, ArrayView<Float4> states, int lane, int i)
    {
        ArrayView<Float4> own = states.SubView((i ^ (lane & 7)) * Row + lane, Row - lane);
        ArrayView<Float4> other = states.SubView((i + 4 ^ (lane & 7)) * Row + lane, Row - lane);
        Sums mine = default, theirs = default;
        MultiplyAdd(ref mine, ref theirs, u.P0, own, other, 0);
        MultiplyAdd(ref mine, ref theirs, u.P1, own, other, 32);
        MultiplyAdd(ref mine, ref theirs, u.P2, own, other, 64);
        MultiplyAdd(ref mine, ref theirs, u.P3, own, other, 96);
        return mine.PlusThatOf(theirs, 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums mine, ref Sums theirs, Weights weights, ArrayView<Float4> own, ArrayView<Float4> other, int piece)
    {
        Float4 h = own[piece];
        mine.R = Float4.Dot(weights.R, h, mine.R);
        mine.Z = Float4.Dot(weights.Z, h, mine.Z);
        mine.N = Float4.Dot(weights.N, h, mine.N);
        h = other[piece];
        theirs.R = Float4.Dot(weights.R, h, theirs.R);
        theirs.Z = Float4.Dot(weights.Z, h, theirs.Z);
        theirs.N = Float4.Dot(weights.N, h, theirs.N);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Rows Load(ArrayView<float> packed, int direction, int unit, int h, int lane)
    {
        int stride = Stride(h) / 4;
        int row = (direction * 3 * h + unit) * stride;
        Rows u = default;
        u.P0 = LoadPiece(packed, row, h * stride, lane, stride);
        u.P1 = LoadPiece(packed, row, h * stride, 32 + lane, stride);
        u.P2 = LoadPiece(packed, row, h * stride, 64 + lane, stride);
        u.P3 = LoadPiece(packed, row, h * stride, 96 + lane, stride);
        return u;
    }

    /// <summary>Four k of a unit's three rows; zero beyond the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights LoadPiece(ArrayView<float> packed, int row, int gate, int four, int fours)
    {
        Weights weights = default;
        if (four < fours)
        {
            ArrayView<Float4> all = packed.Cast<Float4>();
            weights.R = all[row + four];
            weights.Z = all[row + gate + four];
            weights.N = all[row + 2 * gate + four];
        }

        return weights;
    }

    /// <summary>Four k of a unit's three rows of U.</summary>
    private struct Weights
    {
        public Float4 R, Z, N;
    }

    /// <summary>A lane's k of a unit's three rows of U.</summary>
    private struct Rows
    {
        public Weights P0, P1, P2, P3;
    }

    /// <summary>A unit's three sums for one utterance.</summary>
    private struct Sums
    {
        public float R, Z, N;

        /// <summary>These sums and those that the lane with a number that differs in <paramref name="bit"/> has in <paramref name="theirs"/>.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly Sums PlusThatOf(Sums theirs, int bit) =>
            new() { R = R + Warp.ShuffleXor(theirs.R, bit), Z = Z + Warp.ShuffleXor(theirs.Z, bit), N = N + Warp.ShuffleXor(theirs.N, bit) };
    }
}
