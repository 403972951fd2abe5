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
/// A group makes 32 units of 16 utterances, of one direction; 64 rows of U at a time go through shared memory. A warp takes eight of these rows, a thread
/// four units of four utterances; the eight warps' sums are added in order at the end.
/// </remarks>
internal sealed class GruBackwardKernel(IlgpuEngine engine)
{
    private const int Threads = 256;
    private const int Units = 32;
    private const int Utterances = 16;
    private const int Depth = 64;
    private const int Warps = 8;

    // In units of Float4. Sixteen utterances take rows of five, so that two neighbouring groups of four k do not share banks.
    private const int SharedRowU = Units / 4;
    private const int SharedRowG = Utterances / 4 + 1;
    private const int SharedG = Depth * SharedRowU;
    private const int SharedSize = Warps * Utterances * Units / 4;

    private readonly CellGradientLauncher cell = engine.Load<CellGradientLauncher>(CellGradientKernel);

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
        var grid = new Index3D((step.N + Utterances - 1) / Utterances, (step.H + Units - 1) / Units, weights.Length);
        cell(
            engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), gates.View(), candidates.View(), hidden.View(), dY.View(), carry.View(),
            lengths.View(), weights[0].Recurrent.View(), weights[^1].Recurrent.View(), step);
    }

    [GpuKernel(Threads)]
    private static void CellGradientKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> weight1, GruStep step)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(SharedSize);

        // One call for each: a view chosen with ?: would lose its alignment, and with it the 128-bit loads.
        if (Grid.IdxZ == 0)
            CellGradient(gates, candidates, hidden, dY, carry, lengths, weight0, step, shared);
        else
            CellGradient(gates, candidates, hidden, dY, carry, lengths, weight1, step, shared);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CellGradient(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> weight, GruStep step, ArrayView<Float4> shared)
    {
        int thread = Group.IdxX;
        int direction = Grid.IdxZ;

        // Direction 0 ran upwards and is unrolled from the last frame down; direction 1 the other way.
        int frame = direction == 0 ? step.T - 1 - step.Done : step.Done;
        int after = direction == 0 ? frame + 1 : frame - 1;
        int unit0 = Grid.IdxY * Units;
        int utterance0 = Grid.IdxX * Utterances;
        int rowAfter = (direction * step.T + after) * step.N;

        // What this thread computes.
        int warp = thread >> 5;
        int fromU = warp * Warps * SharedRowU + (thread & 7);
        int fromG = SharedG + warp * Warps * SharedRowG + ((thread >> 3) & 3);
        Float4 sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        if (step.Done > 0)
        {
            // (dr', dz') lie in gates, du in candidates.
            Product(
                ref sum0, ref sum1, ref sum2, ref sum3, shared, gates, 3 * step.H, rowAfter, weight, 0, 2 * step.H,
                unit0, utterance0, fromU, fromG, step);
            Product(
                ref sum0, ref sum1, ref sum2, ref sum3, shared, candidates, step.H, rowAfter, weight, 2 * step.H, step.H,
                unit0, utterance0, fromU, fromG, step);
        }

        // The operands are done with; their memory takes the warps' sums: [warp][utterance][unit].
        int put = warp * Utterances * SharedRowU + ((thread >> 3) & 3) * 4 * SharedRowU + (thread & 7);
        shared[put] = sum0;
        shared[put + SharedRowU] = sum1;
        shared[put + 2 * SharedRowU] = sum2;
        shared[put + 3 * SharedRowU] = sum3;
        Group.Barrier();
        ArrayView<float> sums = shared.Cast<float>();
        int unit = thread & 31;
        int utterance = thread >> 5;
        PropagateGates(
            gates, candidates, hidden, dY, carry, lengths, step, direction, frame, utterance0 + utterance, unit0 + unit,
            SumWarps(sums, utterance * Units + unit));
        utterance += Utterances / 2;
        PropagateGates(
            gates, candidates, hidden, dY, carry, lengths, step, direction, frame, utterance0 + utterance, unit0 + unit,
            SumWarps(sums, utterance * Units + unit));
    }

    /// <summary>Adds gradient [rows, depth] times rows of U. Starts and ends with shared memory free.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Product(
        ref Float4 sum0, ref Float4 sum1, ref Float4 sum2, ref Float4 sum3, ArrayView<Float4> shared,
        ArrayView<float> gradient, int stride, int firstRow, ArrayView<float> weight, int weightRow, int depth,
        int unit0, int utterance0, int fromU, int fromG, GruStep step)
    {
        int thread = Group.IdxX;

        // What this thread fetches: of U four units of two rows, of the gradients four k of one utterance.
        int unitsLeft = step.H - unit0 - (thread & 7) * 4;
        int kU = thread >> 3;
        int indexU = (weightRow + kU) * step.H + unit0 + (thread & 7) * 4;
        int utterance = thread & 15;
        int kG = (thread >> 4) * 4;
        bool exists = utterance0 + utterance < step.N;
        int indexG = (firstRow + utterance0 + utterance) * stride + kG;
        int storeU = kU * SharedRowU + (thread & 7);
        int storeG = (SharedG + kG * SharedRowG) * 4 + utterance;
        ArrayView<float> floats = shared.Cast<float>();

        Float4 low = Float4.Load(weight, indexU, kU < depth ? unitsLeft : 0, step.AlignedU);
        Float4 high = Float4.Load(weight, indexU + Depth / 2 * step.H, kU + Depth / 2 < depth ? unitsLeft : 0, step.AlignedU);
        Float4 nextG = Float4.Load(gradient, indexG, exists ? depth - kG : 0, step.AlignedRows);
        for (int k0 = 0; k0 < depth; k0 += Depth)
        {
            shared[storeU] = low;
            shared[storeU + Depth / 2 * SharedRowU] = high;
            floats[storeG] = nextG.X;
            floats[storeG + 4 * SharedRowG] = nextG.Y;
            floats[storeG + 8 * SharedRowG] = nextG.Z;
            floats[storeG + 12 * SharedRowG] = nextG.W;
            Group.Barrier();
            int k = k0 + Depth;
            low = Float4.Load(weight, indexU + k * step.H, k + kU < depth ? unitsLeft : 0, step.AlignedU);
            high = Float4.Load(weight, indexU + (k + Depth / 2) * step.H, k + kU + Depth / 2 < depth ? unitsLeft : 0, step.AlignedU);
            nextG = Float4.Load(gradient, indexG + k, exists ? depth - k - kG : 0, step.AlignedRows);
            for (int i = 0; i < Depth / Warps; i++)
            {
                Float4 u = shared[fromU + i * SharedRowU];
                Float4 g = shared[fromG + i * SharedRowG];
                sum0 = Float4.MultiplyAdd(g.X, u, sum0);
                sum1 = Float4.MultiplyAdd(g.Y, u, sum1);
                sum2 = Float4.MultiplyAdd(g.Z, u, sum2);
                sum3 = Float4.MultiplyAdd(g.W, u, sum3);
            }

            Group.Barrier();
        }
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumWarps(ArrayView<float> sums, int index)
    {
        const int Warp = Utterances * Units;
        float first = sums[index] + sums[index + Warp] + sums[index + 2 * Warp] + sums[index + 3 * Warp];
        return first + sums[index + 4 * Warp] + sums[index + 5 * Warp] + sums[index + 6 * Warp] + sums[index + 7 * Warp];
    }
}
