using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;

namespace Ds2.Kernels.Ops;

/// <summary>All frames of back-propagation through time in one launch: what <see cref="GruBackwardKernel"/> does in one a frame, with U in registers.</summary>
/// <remarks>
/// A group makes the gate gradients of 10 units of one direction for eight utterances, and multiplies them with its own rows of U, three a unit: its part of dh of all units. It writes that part,
/// [columns][8], and after the barrier reads of all groups' parts its own units' columns, which it adds up in the order of the groups. So 4 H bytes an utterance leave a group and as many come back, where
/// the gradients of all gates would be three times as much, and more than shared memory holds.
/// A thread has four columns of half of the group's rows, and takes four of the eight utterances at a time. Lane l and lane l ^ 16 have the two halves of the same columns: each makes first the sums that the
/// other keeps, hands them over, then makes its own. Which half begins makes no difference to a sum's bits.
/// </remarks>
internal sealed class GruBackwardPassKernel(IlgpuEngine engine, RecurrentPrecision precision) : GruPassKernel(engine, precision, PassKernel)
{
    private const int Threads = MostHidden / 4 * 2;

    // Half of a group's rows of U.
    private const int RowsOfHalf = 3 * Units / 2;

    // Fours of a group's columns: two a unit. So many threads add up the parts of one of them: each every so manyth, Parts at most.
    private const int Fours = 2 * Units;
    private const int Adders = Threads / Fours;
    private const int Parts = 5;

    /// <summary>Scratch that <see cref="Run"/> takes, in fp32 elements.</summary>
    public int Workspace(GruShape shape) => checked(
        Contract.Workspace.Round(Packed(shape).Length) + Contract.Workspace.Round(PartsShape(shape).Length) + Contract.Workspace.Round(Barriers(shape).Length));

    /// <summary>Queues all frames of all directions.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="weights">The parameters of each direction.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="hidden">[Directions, T, N, H].</param>
    /// <param name="initial">[N, H], of one direction: the state before the first frame; null for zeros.</param>
    /// <param name="gates">[Directions, T, N, 3H]: r, z, n become dr', dz', dn'.</param>
    /// <param name="candidates">[Directions, T, N, H]: become du.</param>
    /// <param name="dY">[T, N, H].</param>
    /// <param name="dInitial">[N, H], of one direction; overwritten. Null where nobody wants it.</param>
    /// <param name="workspace"><see cref="Workspace"/> elements are taken.</param>
    public void Run(
        GruShape shape, ReadOnlySpan<GruWeights> weights, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor gates, Tensor candidates, Tensor dY,
        Tensor? dInitial, Workspace workspace)
    {
        ArrayView<float> parts = workspace.Take(PartsShape(shape)).View();
        ArrayView<int> barrier = workspace.Take(Barriers(shape)).View().Cast<int>();
        Tensor packed = workspace.Take(Packed(shape));
        for (int direction = 0; direction < shape.Directions; direction++)
            Pack(weights[direction].Recurrent, packed.Slice(direction * packed.Shape[1], new Shape(packed.Shape[1])));
        for (int n = 0; n < shape.N; n += Utterances)
        {
            var pass = new GruPass
            {
                T = shape.T,
                N = shape.N,
                H = shape.H,
                First = n,
                HasInitial = initial is null ? 0 : 1,
                WantsInitial = dInitial is null ? 0 : 1,
                Looks = Engine.BarrierLooks,
            };
            Kernel.Launch(
                new Index3D(Groups(shape.H), 1, shape.Directions), barrier,
                gates.View(), candidates.View(), hidden.View(), (initial ?? hidden).View(), dY.View(), (dInitial ?? hidden).View(), lengths.View(), packed.View(),
                parts, parts.Address(), barrier, barrier.Address(), pass);
        }
    }

    private Shape Packed(GruShape shape) => new(shape.Directions, PackedLength(shape.H));

    /// <summary>Of each direction, the parts of two frames in turn: of each group [columns][8].</summary>
    /// <remarks>A thread reads as many parts as there may be, threads behind the last adder one more, and the last group's columns may reach beyond the last one.</remarks>
    private static Shape PartsShape(GruShape shape) => new(checked(((shape.Directions * 2 - 1) * Groups(shape.H) + Parts * Adders + 2) * MostHidden * Utterances));

    [GpuKernel(Threads, GroupsPerMultiprocessor = 2, IsCooperative = true)]
    private static void PassKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<float> dY, ArrayView<float> dInitial,
        ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> parts, long partsAddress, ArrayView<int> barrier, long barrierAddress, GruPass pass)
    {
        ArrayView<Float4> gradients = SharedMemory.Allocate<Float4>(2 * 2 * RowsOfHalf); // [rows][8]
        ArrayView<Float4> sums = SharedMemory.Allocate<Float4>(Parts * Threads);
        ArrayView<int> seen = SharedMemory.Allocate<int>(1);
        int thread = Group.IdxX;
        int half = thread >> 4 & 1;
        int quad = thread / 32 * 16 + (thread & 15);
        int direction = Grid.IdxZ;
        int unit0 = Grid.IdxX * Units;
        int h = pass.H;
        Rows u = Load(packed, direction, h, unit0, half * RowsOfHalf, quad);

        // The thread's own unit and utterance, of which it makes the gradients.
        int unit = thread % Units;
        int utterance = thread / Units;
        int j = unit0 + unit;
        int n = pass.First + utterance;
        bool makes = thread < Units * Utterances && n < pass.N && j < h;
        int length = makes ? lengths[n] : 0;
        float carry = 0;
        ArrayView<float> own = gradients.Cast<float>();

        // Rows of units and utterances that do not exist stay zero.
        if (thread < 4 * RowsOfHalf)
            gradients[thread] = default;
        Group.Barrier();
        int frames = pass.T + pass.WantsInitial;
        int back = (direction == 0 ? -pass.N : pass.N) * h; // from a state to the one before it in the direction's order
        int state = (((direction == 0 ? pass.T - 1 : pass.T) * pass.N) + n) * h + j;
        for (int done = 0; done < frames; done++)
        {
            // Direction 0 ran upwards and is unrolled from the last frame down; direction 1 the other way.
            int frame = direction == 0 ? pass.T - 1 - done : done;
            int gate = 3 * state - 2 * j;
            bool live = done < pass.T && frame < length;
            float dH = 0, previous = 0, r = 0, z = 0, c = 0, candidate = 0;
            if (live)
            {
                dH = dY[state - direction * pass.T * pass.N * h];
                r = gates[gate];
                z = gates[gate + h];
                c = gates[gate + 2 * h];
                candidate = candidates[state];
                if (done < pass.T - 1)
                    previous = hidden[state + back];
                else if (pass.HasInitial != 0)
                    previous = initial[n * h + j];
            }

            if (done > 0)
            {
                if (!GridBarrier.Wait(seen, barrier, barrierAddress, direction, done * Grid.DimX, pass.Looks))
                    return;
                int part = (direction * 2 + (done & 1 ^ 1)) * Grid.DimX;
                Float4 sum = AddParts(sums, partsAddress + (part * MostHidden + unit0) * 2 * 16L);
                sums[thread] = sum;
                Group.Barrier();
                if (makes)
                {
                    for (int adder = 0; adder < Adders; adder++)
                        carry += sums.Cast<float>()[(adder * Units + unit) * Utterances + utterance];
                }
            }

            if (makes && done == pass.T)
                dInitial[n * h + j] = carry;
            if (makes && done < pass.T)
            {
                float dN = 0, dR = 0, dZ = 0, dU = 0, keep = 0;
                if (live)
                {
                    dH += carry;
                    dN = dH * (1 - z) * (1 - c * c);
                    dZ = dH * (previous - c) * z * (1 - z);
                    dR = dN * candidate * r * (1 - r);
                    dU = dN * r;
                    keep = dH * z;
                }

                carry = keep;
                own[unit * Utterances + utterance] = dR;
                own[(Units + unit) * Utterances + utterance] = dZ;
                own[(2 * Units + unit) * Utterances + utterance] = dU;
                gates[gate] = dR;
                gates[gate + h] = dZ;
                gates[gate + 2 * h] = dN;
                candidates[state] = dU;
            }

            Group.Barrier();
            if (done < frames - 1)
            {
                int to = (((direction * 2 + (done & 1)) * Grid.DimX + Grid.IdxX) * MostHidden + quad * 4) * 2 + half;
                Product(u, gradients, half, sums, parts.Cast<Float4>().SubView(to, 8));
                GridBarrier.Arrive(barrier, direction);
            }

            state += back;
        }
    }

    /// <summary>A thread's part of the sum of all groups' parts: of four utterances of one column, every so manyth group's, the first one first.</summary>
    /// <param name="copies">Shared memory, <see cref="Parts"/> elements a thread.</param>
    /// <param name="from">Where the first group's part of the group's columns lies on the device.</param>
    /// <remarks>All loads are under way before the first is waited for, since there is no condition: a part that does not exist is read and not added.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 AddParts(ArrayView<Float4> copies, long from)
    {
        const int Step = Adders * MostHidden * Utterances * sizeof(float);
        int adder = Group.IdxX / Fours;
        from += adder * (MostHidden * Utterances * sizeof(float)) + Group.IdxX % Fours * 16;
        ArrayView<Float4> own = copies.SubView(Group.IdxX, Parts * Threads - Group.IdxX);
        CopyPart(own, 0, from);
        CopyPart(own, Threads, from + Step);
        CopyPart(own, 2 * Threads, from + 2 * Step);
        CopyPart(own, 3 * Threads, from + 3 * Step);
        CopyPart(own, (Parts - 1) * Threads, from + (Parts - 1) * Step);
        Float4 sum = default;
        AddPart(ref sum, own[0], adder);
        AddPart(ref sum, own[Threads], adder + Adders);
        AddPart(ref sum, own[2 * Threads], adder + 2 * Adders);
        AddPart(ref sum, own[3 * Threads], adder + 3 * Adders);
        AddPart(ref sum, own[(Parts - 1) * Threads], adder + (Parts - 1) * Adders);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyPart(ArrayView<Float4> copies, int index, long from)
    {
        ArrayView<double> halves = copies.Cast<double>();
        GridBarrier.Load(halves, 2 * index, from);
        GridBarrier.Load(halves, 2 * index + 1, from + sizeof(double));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPart(ref Float4 sum, Float4 four, int part) => sum = part < Grid.DimX ? Float4.MultiplyAdd(1, four, sum) : sum;

    /// <summary>The gradients of the group's rows times the thread's columns of U, of the four utterances that it keeps: both halves of the rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Product(Rows u, ArrayView<Float4> gradients, int half, ArrayView<Float4> scratch, ArrayView<Float4> to)
    {
        int first = half * RowsOfHalf * 2;
        Tile4x4 tile = Multiply(u, gradients.SubView(first + 1 - half, 2 * RowsOfHalf - 1)).OfLane(16);

        // Through shared memory, where only this thread looks: registers are short.
        ArrayView<Float4> others = scratch.SubView(Group.IdxX, 4 * Threads - Group.IdxX);
        others[0] = tile.C0;
        others[Threads] = tile.C1;
        others[2 * Threads] = tile.C2;
        others[3 * Threads] = tile.C3;
        tile = Multiply(u, gradients.SubView(first + half, 2 * RowsOfHalf - 1));
        to[0] = Float4.MultiplyAdd(1, others[0], tile.C0);
        to[2] = Float4.MultiplyAdd(1, others[Threads], tile.C1);
        to[4] = Float4.MultiplyAdd(1, others[2 * Threads], tile.C2);
        to[6] = Float4.MultiplyAdd(1, others[3 * Threads], tile.C3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tile4x4 Multiply(Rows u, ArrayView<Float4> gradients)
    {
        Tile4x4 tile = default;
        MultiplyAdd(ref tile, gradients[2 * 0], u.U0);
        MultiplyAdd(ref tile, gradients[2 * 1], u.U1);
        MultiplyAdd(ref tile, gradients[2 * 2], u.U2);
        MultiplyAdd(ref tile, gradients[2 * 3], u.U3);
        MultiplyAdd(ref tile, gradients[2 * 4], u.U4);
        MultiplyAdd(ref tile, gradients[2 * 5], u.U5);
        MultiplyAdd(ref tile, gradients[2 * 6], u.U6);
        MultiplyAdd(ref tile, gradients[2 * 7], u.U7);
        MultiplyAdd(ref tile, gradients[2 * 8], u.U8);
        MultiplyAdd(ref tile, gradients[2 * 9], u.U9);
        MultiplyAdd(ref tile, gradients[2 * 10], u.U10);
        MultiplyAdd(ref tile, gradients[2 * 11], u.U11);
        MultiplyAdd(ref tile, gradients[2 * 12], u.U12);
        MultiplyAdd(ref tile, gradients[2 * 13], u.U13);
        MultiplyAdd(ref tile, gradients[2 * 14], u.U14);
        return tile;
    }

    /// <summary>Adds the products of a row of U: four columns, four utterances.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Tile4x4 tile, Float4 gradient, Float4 u)
    {
        tile.C0 = Float4.MultiplyAdd(u.X, gradient, tile.C0);
        tile.C1 = Float4.MultiplyAdd(u.Y, gradient, tile.C1);
        tile.C2 = Float4.MultiplyAdd(u.Z, gradient, tile.C2);
        tile.C3 = Float4.MultiplyAdd(u.W, gradient, tile.C3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Rows Load(ArrayView<float> packed, int direction, int h, int unit0, int first, int quad)
    {
        Rows rows = default;
        rows.U0 = LoadRow(packed, direction, h, unit0, first + 0, quad);
        rows.U1 = LoadRow(packed, direction, h, unit0, first + 1, quad);
        rows.U2 = LoadRow(packed, direction, h, unit0, first + 2, quad);
        rows.U3 = LoadRow(packed, direction, h, unit0, first + 3, quad);
        rows.U4 = LoadRow(packed, direction, h, unit0, first + 4, quad);
        rows.U5 = LoadRow(packed, direction, h, unit0, first + 5, quad);
        rows.U6 = LoadRow(packed, direction, h, unit0, first + 6, quad);
        rows.U7 = LoadRow(packed, direction, h, unit0, first + 7, quad);
        rows.U8 = LoadRow(packed, direction, h, unit0, first + 8, quad);
        rows.U9 = LoadRow(packed, direction, h, unit0, first + 9, quad);
        rows.U10 = LoadRow(packed, direction, h, unit0, first + 10, quad);
        rows.U11 = LoadRow(packed, direction, h, unit0, first + 11, quad);
        rows.U12 = LoadRow(packed, direction, h, unit0, first + 12, quad);
        rows.U13 = LoadRow(packed, direction, h, unit0, first + 13, quad);
        rows.U14 = LoadRow(packed, direction, h, unit0, first + 14, quad);
        return rows;
    }

    /// <summary>Four columns of a row of U, of a gate and a unit of the group; zero beyond the last column and unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 LoadRow(ArrayView<float> packed, int direction, int h, int unit0, int row, int quad)
    {
        int gate = row / Units;
        int unit = unit0 + row % Units;
        int stride = Stride(h) / 4;
        Float4 four = default;
        if (unit < h && quad < stride)
            four = packed.Cast<Float4>()[((direction * 3 + gate) * h + unit) * stride + quad];
        return four;
    }

    /// <summary>A thread's four columns of its half of the group's rows of U.</summary>
    private struct Rows
    {
        public Float4 U0, U1, U2, U3, U4, U5, U6, U7, U8, U9, U10, U11, U12, U13, U14;
    }

    /// <summary>Four columns, of four utterances each.</summary>
    private struct Tile4x4
    {
        public Float4 C0, C1, C2, C3;

        /// <summary>That of the lane whose number differs in <paramref name="bit"/>.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly Tile4x4 OfLane(int bit) => new() { C0 = Shuffle(C0, bit), C1 = Shuffle(C1, bit), C2 = Shuffle(C2, bit), C3 = Shuffle(C3, bit) };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Float4 Shuffle(Float4 four, int bit) =>
            new(Warp.ShuffleXor(four.X, bit), Warp.ShuffleXor(four.Y, bit), Warp.ShuffleXor(four.Z, bit), Warp.ShuffleXor(four.W, bit));
    }
}
