using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using CellGradientLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, GruStep>;
using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;

/// <summary>One frame of back-propagation through time, in one launch: the skinny product with U that completes dh, then the gates' gradients.</summary>
/// <remarks>
/// With a' the preactivations and u = U_n h + c_n: dn' = dh (1 - z)(1 - n^2), dz' = dh (h_before - n) z (1 - z), dr' = dn' u r (1 - r), du = dn' r,
/// and dh of the frame before gains dh z + (dr', dz', du) U. The gradients replace what they are made of: gates becomes (dr', dz', dn'), candidates du.
/// A group makes 16 units of up to 8 utterances, of one direction; a thread four units, every 32nd row of U. U is packed before the last frame, in the order in which groups and threads read
/// it: for each group 128 rows at a time, of which a thread takes four, a fourth after the other (or in half precision two after the other two). U goes from memory to registers; the gradients
/// (dr', dz', du) of the frame after lie packed as well, [3H][8], zero beyond the last, and pass through shared memory. Both are loaded a chunk ahead of the
/// products that need them. In the end the 32 threads' sums of each unit and utterance are added in a fixed order. Odd frames walk U's rows backwards, for what the second-level cache still holds of
/// the frame before; not the units, since all groups run at the same time.
/// </remarks>
internal sealed partial class GruBackwardKernel(IlgpuEngine engine, RecurrentPrecision precision) : GruFrameKernel(engine, precision)
{
    private const int Threads = 128;
    private const int Units = 16;
    private const int RowThreads = 4 * Threads / Units;
    private const int Chunk = 4 * RowThreads;

    // In units of Float4, two for each thread: a chunk of k of all utterances.
    private const int GradientBuffer = Utterances * Chunk / 4;

    // The same memory in the end: for four utterances, the sums of each thread; rows of 17 keep the eight threads that store at a time out of each other's banks.
    private const int SumRow = Units + 1;
    private const int SharedLength = RowThreads * SumRow;

    private const int Utterances = 1 << LeastShift;

    private readonly PackLauncher pack = engine.Load<PackLauncher>(PackColumnsKernel);

    private readonly CellGradientLauncher cell =
        engine.Load<CellGradientLauncher>(precision == RecurrentPrecision.Fp32 ? CellGradientKernel : CellGradientHalfKernel);

    /// <summary>The length of one direction's packed U, in fp32 elements.</summary>
    public int PackedLengthOf(GruShape shape) => PackedLength(
        IsWide(shape) ? GruProduct.PackedLength(Groups(shape.H, WideUnits), WideBlocks(shape.H)) : checked(Groups(shape.H, Units) * Units * Chunks(shape.H) * Chunk));

    /// <summary>The length of the packed gradients of two frames, all directions.</summary>
    public int GradientsLength(GruShape shape)
    {
        if (!IsWide(shape))
            return TwoFrames(shape, LeastShift, Chunks(shape.H), Chunk * Utterances);
        int shift = ShiftFor(shape.N);
        return TwoFrames(shape, shift, GruProduct.Chunks(3 * shape.H, WideThreads, shift), GruProduct.ChunkLength(WideThreads));
    }

    /// <summary>Queues packing U: once for all frames.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="recurrent">U of one direction, [3H, H].</param>
    /// <param name="packed">[<see cref="PackedLengthOf"/>]; overwritten.</param>
    public void Pack(GruShape shape, Tensor recurrent, Tensor packed)
    {
        if (IsWide(shape))
            Pack(widePack, recurrent, packed, GruProduct.PackThreads(Groups(shape.H, WideUnits), WideBlocks(shape.H)), WideThreads);
        else
            Pack(pack, recurrent, packed, packed.Length / 4, Threads);
    }

    /// <summary>Queues one frame of each direction, or after the last what becomes of <paramref name="carry"/> before the first.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="step">The frame; Done = T completes the gradient of the initial state.</param>
    /// <param name="packed">U of each direction, packed.</param>
    /// <param name="gradients">[<see cref="GradientsLength"/>]: zero at first; even frames read the second half and write the first, odd ones the other way.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="hidden">[Directions, T, N, H].</param>
    /// <param name="initial">[N, H], of one direction: the state before the first frame; null for zeros.</param>
    /// <param name="gates">[Directions, T, N, 3H]: this frame's become gradients.</param>
    /// <param name="candidates">[Directions, T, N, H]: this frame's become gradients.</param>
    /// <param name="dY">[T, N, H].</param>
    /// <param name="carry">[Directions, N, H]: dh z from frame to frame, in the end dh.</param>
    public void Launch(
        GruShape shape, GruStep step, Tensor packed, Tensor gradients, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor gates, Tensor candidates,
        Tensor dY, Tensor carry)
    {
        Tensor before = Before(ref step, isFirst: step.Done == step.T - 1, hidden, initial);
        bool isWide = IsWide(shape);
        step.Shift = isWide ? ShiftFor(shape.N) : LeastShift;
        CellGradientLauncher launch = isWide ? wideCell : cell;
        launch(
            Stream, Frame(step, shape.Directions, isWide ? WideUnits : Units, isWide ? WideThreads : Threads), gates.View(), candidates.View(), before.View(), dY.View(),
            carry.View(), lengths.View(), packed.View(), gradients.View(), step);
    }

    private static int Chunks(int h) => Groups(3 * h, Chunk);

    /// <summary>A thread writes 128 bits: four units of a row, or of two rows in half precision; zero beyond the last row and unit.</summary>
    [GpuKernel(Threads)]
    private static void PackColumnsKernel(ArrayView<float> recurrent, ArrayView<float> packed, int fours, int h, int half, int aligned)
    {
        int i = Grid.GlobalIndex.X;
        if (i < fours)
        {
            int thread = i & (Threads - 1);
            int pieces = half != 0 ? 2 : 4;
            int piece = i / Threads % pieces;
            int block = i / (Threads * pieces); // of (group, chunk)
            int chunks = Chunks(h);
            int group = block / chunks;
            int row = (block - group * chunks) * Chunk + piece * (Chunk / pieces) + thread / 4;
            int unit = group * Units + (thread & 3) * 4;
            Float4 four = Float4.Load(recurrent, row * h + unit, row < 3 * h ? h - unit : 0, aligned);
            row += RowThreads;
            if (half != 0)
                four = EightHalves.Encode(four, Float4.Load(recurrent, row * h + unit, row < 3 * h ? h - unit : 0, aligned));
            packed.Cast<Float4>()[i] = four;
        }
    }

    // Asked for three groups a multiprocessor, which it would have in any case, ptxas finds registers with a third of the bank conflicts and 13 instructions less.
    [GpuKernel(Threads, GroupsPerMultiprocessor = 3)]
    private static void CellGradientKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> before, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> packed, ArrayView<float> gradients, GruStep step) =>
        CellGradient(gates, candidates, before, dY, carry, lengths, packed, gradients, step, half: false);

    [GpuKernel(Threads, NeedsHalf = true)]
    private static void CellGradientHalfKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> before, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> packed, ArrayView<float> gradients, GruStep step) =>
        CellGradient(gates, candidates, before, dY, carry, lengths, packed, gradients, step, half: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CellGradient(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> before, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> packed, ArrayView<float> gradients, GruStep step, bool half)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(SharedLength);
        ArrayView<float> products = SharedMemory.Allocate<float>(2 * Utterances * Units);
        int thread = Group.IdxX;
        bool odd = (step.Done & 1) != 0;
        int direction = Grid.IdxZ;
        int unitGroup = Grid.IdxY;
        int chunks = Chunks(step.H);

        // In blocks of a chunk: this group's gradients in the half that the frame after wrote, and in the half that this one writes.
        int reads = (direction * Grid.DimX + Grid.IdxX) * chunks;
        int writes = reads;
        if (odd)
            writes += Grid.DimZ * Grid.DimX * chunks;
        else
            reads += Grid.DimZ * Grid.DimX * chunks;
        Tile8x4 sum = default;
        if (step.Done > 0)
            Product(ref sum, shared, packed, (direction * Grid.DimY + unitGroup) * chunks, gradients, reads, chunks, step.Done & 1, half);
        AddThreads(shared, products, 0, sum.S0, sum.S1, sum.S2, sum.S3);
        AddThreads(shared, products, 1, sum.S4, sum.S5, sum.S6, sum.S7);
        Group.Barrier();
        float product = products[thread] + products[Utterances * Units + thread];
        int utterance = thread / Units;
        int unit = thread % Units;
        Gates gradient = PropagateGates(
            gates, candidates, before, dY, carry, lengths, step, direction, Grid.IdxX * Utterances + utterance, unitGroup * Units + unit, product);

        // Turned to [unit][utterance] in shared memory, so that neighbouring threads write neighbours.
        ArrayView<float> turned = shared.Cast<float>();
        turned[unit * Utterances + utterance] = gradient.R;
        turned[Threads + unit * Utterances + utterance] = gradient.Z;
        turned[2 * Threads + unit * Utterances + utterance] = gradient.U;
        Group.Barrier();
        if (unitGroup * Units + thread / Utterances < step.H)
        {
            int put = writes * Chunk * Utterances + unitGroup * Threads + thread;
            gradients[put] = turned[thread];
            gradients[put + step.H * Utterances] = turned[Threads + thread];
            gradients[put + 2 * step.H * Utterances] = turned[2 * Threads + thread];
        }
    }

    /// <summary>The gradients [8, 3H] times the group's columns of U: this thread's rows of the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Product(
        ref Tile8x4 sum, ArrayView<Float4> shared, ArrayView<float> packed, int columns, ArrayView<float> gradients, int block, int chunks, int odd, bool half)
    {
        int thread = Group.IdxX;
        int sizeU = half ? 2 * Threads : 4 * Threads;
        int chunk0 = odd * (chunks - 1);
        int sign = 1 - 2 * odd;
        int indexU = (columns + chunk0) * sizeU + thread;
        int indexG = (block + chunk0) * GradientBuffer + thread;
        Rows own = Fetch(packed, indexU);
        Rows further = default;
        if (!half)
            further = Fetch(packed, indexU + 2 * Threads);
        Float4 first = gradients.Cast<Float4>()[indexG];
        Float4 second = gradients.Cast<Float4>()[indexG + Threads];
        int buffer = 0;
        for (int left = chunks - 1; left >= 0; left--)
        {
            shared[buffer + thread] = first;
            shared[buffer + thread + Threads] = second;

            // Nobody writes this buffer before all have passed the next barrier, and so have done with it.
            Group.Barrier();
            int row = buffer + thread / 4 * 2;
            ArrayView<Float4> from = shared.SubView(row, SharedLength - row);
            buffer ^= GradientBuffer;
            indexU += sign * sizeU;
            indexG += sign * GradientBuffer;
            if (left > 0)
            {
                first = gradients.Cast<Float4>()[indexG];
                second = gradients.Cast<Float4>()[indexG + Threads];
            }

            Float4 u0 = half ? EightHalves.First(own.A) : own.A;
            Float4 u1 = half ? EightHalves.Second(own.A) : own.B;
            Float4 u2 = half ? EightHalves.First(own.B) : further.A;
            Float4 u3 = half ? EightHalves.Second(own.B) : further.B;
            if (half && left > 0)
                own = Fetch(packed, indexU);
            MultiplyAdd(ref sum, from, 0, u0);
            MultiplyAdd(ref sum, from, 2 * RowThreads, u1);
            if (!half && left > 0)
                own = Fetch(packed, indexU);
            MultiplyAdd(ref sum, from, 4 * RowThreads, u2);
            MultiplyAdd(ref sum, from, 6 * RowThreads, u3);
            if (!half && left > 0)
                further = Fetch(packed, indexU + 2 * Threads);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Rows Fetch(ArrayView<float> packed, int index)
    {
        ArrayView<Float4> own = packed.Cast<Float4>().SubView(index, Threads + 1);
        return new Rows { A = own[0], B = own[Threads] };
    }

    /// <summary>Adds the products of a row of U: eight utterances, four units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Tile8x4 sum, ArrayView<Float4> gradients, int from, Float4 u)
    {
        Float4 gradient = gradients[from];
        sum.S0 = Float4.MultiplyAdd(gradient.X, u, sum.S0);
        sum.S1 = Float4.MultiplyAdd(gradient.Y, u, sum.S1);
        sum.S2 = Float4.MultiplyAdd(gradient.Z, u, sum.S2);
        sum.S3 = Float4.MultiplyAdd(gradient.W, u, sum.S3);
        gradient = gradients[from + 1];
        sum.S4 = Float4.MultiplyAdd(gradient.X, u, sum.S4);
        sum.S5 = Float4.MultiplyAdd(gradient.Y, u, sum.S5);
        sum.S6 = Float4.MultiplyAdd(gradient.Z, u, sum.S6);
        sum.S7 = Float4.MultiplyAdd(gradient.W, u, sum.S7);
    }

    /// <summary>Adds up the threads' sums of four utterances: [half][utterance][unit], each half that of sixteen threads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddThreads(ArrayView<Float4> shared, ArrayView<float> products, int four, Float4 s0, Float4 s1, Float4 s2, Float4 s3)
    {
        int thread = Group.IdxX;
        int put = thread / 4 * SumRow + (thread & 3);
        Group.Barrier();
        shared[put] = s0;
        shared[put + Units / 4] = s1;
        shared[put + 2 * Units / 4] = s2;
        shared[put + 3 * Units / 4] = s3;
        Group.Barrier();
        ArrayView<float> sums = shared.Cast<float>();
        int element = thread & (4 * Units - 1);
        int half = thread / (4 * Units);
        float sum = 0;
        for (int i = 0; i < RowThreads / 2; i++)
            sum += sums[(half * (RowThreads / 2) + i) * SumRow * 4 + element];
        products[half * Utterances * Units + four * 4 * Units + element] = sum;
    }

    /// <summary>The gradients of one unit's gates for one utterance. <paramref name="product"/>: (dr', dz', du) U of the frame after.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Gates PropagateGates(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> before, ArrayView<float> dY, ArrayView<float> carry,
        ArrayView<int> lengths, GruStep step, int direction, int n, int j, float product)
    {
        Gates gradient = default;
        int carried = (direction * step.N + n) * step.H + j;
        if (n >= step.N || j >= step.H)
            return gradient;
        if (step.Done == step.T)
        {
            carry[carried] += product;
        }
        else
        {
            // Direction 0 ran upwards and is unrolled from the last frame down; direction 1 the other way.
            int frame = direction == 0 ? step.T - 1 - step.Done : step.Done;
            int row = (direction * step.T + frame) * step.N + n;
            int gate = row * 3 * step.H + j;
            int state = row * step.H + j;
            float dN = 0, keep = 0;
            if (frame < lengths[n])
            {
                float dH = dY[(frame * step.N + n) * step.H + j];
                if (step.Done > 0)
                    dH += product + carry[carried];
                float previous = 0;
                if (step.HasBefore != 0)
                    previous = before[direction == 0 ? state - step.Before : state + step.Before];
                float r = gates[gate];
                float z = gates[gate + step.H];
                float c = gates[gate + 2 * step.H];
                dN = dH * (1 - z) * (1 - c * c);
                gradient.Z = dH * (previous - c) * z * (1 - z);
                gradient.R = dN * candidates[state] * r * (1 - r);
                gradient.U = dN * r;
                keep = dH * z;
            }

            gates[gate] = gradient.R;
            gates[gate + step.H] = gradient.Z;
            gates[gate + 2 * step.H] = dN;
            candidates[state] = gradient.U;
            carry[carried] = keep;
        }

        return gradient;
    }

    /// <summary>Four units of two rows of U; of four in half precision.</summary>
    private struct Rows
    {
        public Float4 A, B;
    }

    /// <summary>dr', dz' and du.</summary>
    private struct Gates
    {
        public float R, Z, U;
    }

    /// <summary>A thread's part of the tile: eight utterances of four units each.</summary>
    private struct Tile8x4
    {
        public Float4 S0, S1, S2, S3;
        public Float4 S4, S5, S6, S7;
    }
}
