using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using CellGradientLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, GruStep>;

/// <summary>One frame of back-propagation through time, in one launch: the skinny product with U that completes dh, then the gates' gradients.</summary>
/// <remarks>
/// With a' the preactivations and u = U_n h + c_n: dn' = dh (1 - z)(1 - n^2), dz' = dh (h_before - n) z (1 - z), dr' = dn' u r (1 - r), du = dn' r,
/// and dh of the frame before gains dh z + (dr', dz', du) U. The gradients replace what they are made of: gates becomes (dr', dz', dn'), candidates du.
/// A group makes 16 units of up to 16 utterances, of one direction; a thread four units, every 32nd row of U: eight rows of a warp's four threads each are
/// 64 contiguous bytes, whole sectors. U goes from memory to registers, the next rows being asked for as soon as the last are used; the gradients pass through
/// shared memory, 64 rows at a time, or 128 for up to eight utterances. In the end the 32 threads' sums of each unit and utterance are added in a fixed order.
/// </remarks>
internal sealed class GruBackwardKernel(IlgpuEngine engine)
{
    private const int Threads = 128;
    private const int Units = 16;
    private const int Utterances = 16;
    private const int Few = Utterances / 2;
    private const int RowThreads = 4 * Threads / Units;

    // In units of Float4: 64 rows of five (for sixteen utterances) or 128 of three (for eight); the odd one keeps neighbouring groups of four k out of each
    // other's banks.
    private const int GradientBuffer = 384;

    // The same memory in the end: for four utterances, the sums of each thread; rows of 17 keep the eight threads that store at a time out of each other's banks.
    private const int SumRow = Units + 1;

    private readonly CellGradientLauncher cell = engine.Load<CellGradientLauncher>(CellGradientKernel);
    private readonly CellGradientLauncher cellUnaligned = engine.Load<CellGradientLauncher>(CellGradientUnalignedKernel);

    /// <summary>Queues one frame of each direction.</summary>
    /// <param name="step">The sizes and the frame.</param>
    /// <param name="weights">The parameters of each direction.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="hidden">[Directions, T, N, H].</param>
    /// <param name="gates">[Directions, T, N, 3H]: this frame's become gradients.</param>
    /// <param name="candidates">[Directions, T, N, H]: this frame's become gradients.</param>
    /// <param name="dY">[T, N, H].</param>
    /// <param name="carry">[Directions, N, H]: dh z from frame to frame.</param>
    public void Launch(
        GruStep step, ReadOnlySpan<GruWeights> weights, IntTensor lengths, Tensor hidden, Tensor gates, Tensor candidates, Tensor dY, Tensor carry)
    {
        bool aligned = GruForwardKernel.IsAligned(weights[0].Recurrent, step) && GruForwardKernel.IsAligned(weights[^1].Recurrent, step)
            && GruForwardKernel.IsAligned(gates, step) && GruForwardKernel.IsAligned(candidates, step);
        var grid = new Index3D((step.N + Utterances - 1) / Utterances, (step.H + Units - 1) / Units, weights.Length);
        (aligned ? cell : cellUnaligned)(
            engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), gates.View(), candidates.View(), hidden.View(), dY.View(), carry.View(),
            lengths.View(), weights[0].Recurrent.View(), weights[^1].Recurrent.View(), step);
    }

    [GpuKernel(Threads)]
    private static void CellGradientKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> weight1, GruStep step) =>
        CellGradient(gates, candidates, hidden, dY, carry, lengths, weight0, weight1, step, aligned: true);

    [GpuKernel(Threads)]
    private static void CellGradientUnalignedKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> weight1, GruStep step) =>
        CellGradient(gates, candidates, hidden, dY, carry, lengths, weight0, weight1, step, aligned: false);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CellGradient(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> weight1, GruStep step, bool aligned)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * GradientBuffer);
        ArrayView<float> products = SharedMemory.Allocate<float>(2 * Utterances * Units);

        // One call for each: a view chosen with ?: would lose its alignment, and with it the 128-bit loads. And a loop for each number of utterances:
        // branches in it would cost a register's copy for each sum.
        if (Grid.IdxZ == 0)
        {
            if (step.N <= Few)
                Frame(gates, candidates, hidden, dY, carry, lengths, weight0, step, aligned, few: true, shared, products);
            else
                Frame(gates, candidates, hidden, dY, carry, lengths, weight0, step, aligned, few: false, shared, products);
        }
        else
        {
            if (step.N <= Few)
                Frame(gates, candidates, hidden, dY, carry, lengths, weight1, step, aligned, few: true, shared, products);
            else
                Frame(gates, candidates, hidden, dY, carry, lengths, weight1, step, aligned, few: false, shared, products);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Frame(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> weight, GruStep step, bool aligned, bool few, ArrayView<Float4> shared, ArrayView<float> products)
    {
        int thread = Group.IdxX;
        int direction = Grid.IdxZ;

        // Direction 0 ran upwards and is unrolled from the last frame down; direction 1 the other way.
        int frame = direction == 0 ? step.T - 1 - step.Done : step.Done;
        int after = direction == 0 ? frame + 1 : frame - 1;
        int unit0 = Grid.IdxY * Units;
        int utterance0 = Grid.IdxX * Utterances;
        Tile16x4 sum = default;
        if (step.Done > 0)
        {
            // (dr', dz') lie in gates, du in candidates.
            int rowAfter = (direction * step.T + after) * step.N + utterance0;
            Product(ref sum, shared, gates, 3 * step.H, rowAfter, weight, 0, 2 * step.H, unit0, step.N - utterance0, step, aligned, few);
            Product(ref sum, shared, candidates, step.H, rowAfter, weight, 2 * step.H, step.H, unit0, step.N - utterance0, step, aligned, few);
        }

        SumThreads(shared, products, 0, sum.S0, sum.S1, sum.S2, sum.S3);
        SumThreads(shared, products, 1, sum.S4, sum.S5, sum.S6, sum.S7);
        if (!few)
        {
            SumThreads(shared, products, 2, sum.S8, sum.S9, sum.S10, sum.S11);
            SumThreads(shared, products, 3, sum.S12, sum.S13, sum.S14, sum.S15);
        }

        Group.Barrier();
        for (int element = thread; element < (few ? Few : Utterances) * Units; element += Threads)
        {
            PropagateGates(
                gates, candidates, hidden, dY, carry, lengths, step, direction, frame, utterance0 + element / Units, unit0 + element % Units,
                products[element] + products[Utterances * Units + element]);
        }
    }

    /// <summary>Adds gradient [rows, depth] times rows of U. Starts and ends with shared memory free.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Product(
        ref Tile16x4 sum, ArrayView<Float4> shared, ArrayView<float> gradient, int stride, int firstRow, ArrayView<float> weight, int weightRow, int depth,
        int unit0, int utterances, GruStep step, bool aligned, bool few)
    {
        int thread = Group.IdxX;
        int rows = few ? Few : Utterances;
        int chunk = few ? 4 * RowThreads : 2 * RowThreads;
        int gradientRow = rows / 4 + 1;

        // What this thread fetches: of U four units of two rows, or four, and of the gradients four k of one utterance, twice.
        int row = thread >> 2;
        int unit = unit0 + (thread & 3) * 4;
        int units = step.H - unit;
        int firstU = weightRow * step.H + (aligned ? IntrinsicMath.Min(unit, step.H - 4) : unit);
        int utterance = thread & (rows - 1);
        int kG = thread / rows * 4;
        int indexG = (firstRow + utterance) * stride + kG;
        int putG = kG * gradientRow * 4 + utterance;
        int leftG = utterance < utterances ? depth - kG : 0;
        int ownRow = row * gradientRow;
        Float4 u0 = FetchWeight(weight, aligned, firstU, row, depth, units, step.H);
        Float4 u1 = FetchWeight(weight, aligned, firstU, row + RowThreads, depth, units, step.H);
        Float4 u2 = default, u3 = default;
        if (few)
        {
            u2 = FetchWeight(weight, aligned, firstU, row + 2 * RowThreads, depth, units, step.H);
            u3 = FetchWeight(weight, aligned, firstU, row + 3 * RowThreads, depth, units, step.H);
        }

        Put(shared, putG, gradientRow, Fetch(gradient, aligned, indexG, leftG));
        Put(shared, putG + chunk / 2 * gradientRow * 4, gradientRow, Fetch(gradient, aligned, indexG + chunk / 2, leftG - chunk / 2));
        Group.Barrier();

        int buffer = 0;
        for (int k0 = 0; k0 < depth; k0 += chunk)
        {
            row += chunk;
            indexG += chunk;
            leftG -= chunk;
            Float4 first = Fetch(gradient, aligned, indexG, leftG);
            Float4 second = Fetch(gradient, aligned, indexG + chunk / 2, leftG - chunk / 2);

            ArrayView<Float4> from = shared.SubView(buffer + ownRow, GradientBuffer - ownRow);
            MultiplyAdd(ref sum.S0, ref sum.S1, ref sum.S2, ref sum.S3, from[0], u0);
            MultiplyAdd(ref sum.S4, ref sum.S5, ref sum.S6, ref sum.S7, from[1], u0);
            MultiplyAdd(ref sum.S0, ref sum.S1, ref sum.S2, ref sum.S3, from[RowThreads * gradientRow], u1);
            MultiplyAdd(ref sum.S4, ref sum.S5, ref sum.S6, ref sum.S7, from[RowThreads * gradientRow + 1], u1);
            if (few)
            {
                MultiplyAdd(ref sum.S0, ref sum.S1, ref sum.S2, ref sum.S3, from[2 * RowThreads * gradientRow], u2);
                MultiplyAdd(ref sum.S4, ref sum.S5, ref sum.S6, ref sum.S7, from[2 * RowThreads * gradientRow + 1], u2);
                MultiplyAdd(ref sum.S0, ref sum.S1, ref sum.S2, ref sum.S3, from[3 * RowThreads * gradientRow], u3);
                MultiplyAdd(ref sum.S4, ref sum.S5, ref sum.S6, ref sum.S7, from[3 * RowThreads * gradientRow + 1], u3);
            }
            else
            {
                MultiplyAdd(ref sum.S8, ref sum.S9, ref sum.S10, ref sum.S11, from[2], u0);
                MultiplyAdd(ref sum.S12, ref sum.S13, ref sum.S14, ref sum.S15, from[3], u0);
                MultiplyAdd(ref sum.S8, ref sum.S9, ref sum.S10, ref sum.S11, from[RowThreads * gradientRow + 2], u1);
                MultiplyAdd(ref sum.S12, ref sum.S13, ref sum.S14, ref sum.S15, from[RowThreads * gradientRow + 3], u1);
            }

            u0 = FetchWeight(weight, aligned, firstU, row, depth, units, step.H);
            u1 = FetchWeight(weight, aligned, firstU, row + RowThreads, depth, units, step.H);
            if (few)
            {
                u2 = FetchWeight(weight, aligned, firstU, row + 2 * RowThreads, depth, units, step.H);
                u3 = FetchWeight(weight, aligned, firstU, row + 3 * RowThreads, depth, units, step.H);
            }

            // Nobody reads the other buffer now: its readers passed the last barrier. The one below protects this buffer in turn.
            buffer = GradientBuffer - buffer;
            Put(shared, 4 * buffer + putG, gradientRow, first);
            Put(shared, 4 * buffer + putG + chunk / 2 * gradientRow * 4, gradientRow, second);
            Group.Barrier();
        }
    }

    /// <summary>Four units of a row of U; aligned, rows beyond the last repeat it, since the gradients that they meet are zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 FetchWeight(ArrayView<float> weight, bool aligned, int first, int row, int depth, int units, int stride) =>
        aligned
            ? weight.Cast<Float4>()[(first + IntrinsicMath.Min(row, depth - 1) * stride) >> 2]
            : Float4.Load(weight, first + row * stride, row < depth ? units : 0, aligned: 0);

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

    /// <summary>Puts four k of one utterance into shared memory, where k is the row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<Float4> shared, int index, int gradientRow, Float4 four)
    {
        ArrayView<float> column = shared.Cast<float>().SubView(index, 8 * GradientBuffer - index);
        column[0] = four.X;
        column[4 * gradientRow] = four.Y;
        column[8 * gradientRow] = four.Z;
        column[12 * gradientRow] = four.W;
    }

    /// <summary>Adds the products of a row of U: four utterances, four units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Float4 sum0, ref Float4 sum1, ref Float4 sum2, ref Float4 sum3, Float4 gradient, Float4 u)
    {
        sum0 = Float4.MultiplyAdd(gradient.X, u, sum0);
        sum1 = Float4.MultiplyAdd(gradient.Y, u, sum1);
        sum2 = Float4.MultiplyAdd(gradient.Z, u, sum2);
        sum3 = Float4.MultiplyAdd(gradient.W, u, sum3);
    }

    /// <summary>Adds up the threads' sums of four utterances: [half][utterance][unit], each half that of sixteen threads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumThreads(ArrayView<Float4> shared, ArrayView<float> products, int four, Float4 s0, Float4 s1, Float4 s2, Float4 s3)
    {
        int thread = Group.IdxX;
        int put = (thread >> 2) * SumRow + (thread & 3);
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
    private static void PropagateGates(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> dY, ArrayView<float> carry,
        ArrayView<int> lengths, GruStep step, int direction, int frame, int n, int j, float product)
    {
        if (n < step.N && j < step.H)
        {
            int row = (direction * step.T + frame) * step.N + n;
            int gate = row * 3 * step.H + j;
            int state = row * step.H + j;
            int carried = (direction * step.N + n) * step.H + j;
            float dR = 0, dZ = 0, dN = 0, dU = 0, keep = 0;
            if (frame < lengths[n])
            {
                float dH = dY[(frame * step.N + n) * step.H + j];
                if (step.Done > 0)
                    dH += product + carry[carried];
                float before = 0;
                if (step.Done < step.T - 1)
                    before = hidden[direction == 0 ? state - step.N * step.H : state + step.N * step.H];
                float r = gates[gate];
                float z = gates[gate + step.H];
                float c = gates[gate + 2 * step.H];
                dN = dH * (1 - z) * (1 - c * c);
                dZ = dH * (before - c) * z * (1 - z);
                dR = dN * candidates[state] * r * (1 - r);
                dU = dN * r;
                keep = dH * z;
            }

            gates[gate] = dR;
            gates[gate + step.H] = dZ;
            gates[gate + 2 * step.H] = dN;
            candidates[state] = dU;
            carry[carried] = keep;
        }
    }

    /// <summary>A thread's part of the tile: sixteen utterances of four units each.</summary>
    private struct Tile16x4
    {
        public Float4 S0, S1, S2, S3;
        public Float4 S4, S5, S6, S7;
        public Float4 S8, S9, S10, S11;
        public Float4 S12, S13, S14, S15;
    }
}
