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

    /// <summary>Not 0 where the recurrent weights can be read with 128-bit loads.</summary>
    public int AlignedU;

    /// <summary>Not 0 where the states (or backward, the gates' gradients) can be read with 128-bit loads.</summary>
    public int AlignedRows;
}

/// <summary>One frame of the recurrence: the skinny product h U^T for all three gates of some units, the gates, and the new state, in one launch.</summary>
/// <remarks>
/// A group makes 16 units of 16 utterances, of one direction. It walks over the previous state's units, 64 at a time: 48 rows of U (three gates) and 16 of h
/// go to shared memory while the next ones are on their way to registers, so that U crosses memory once a frame for up to 16 utterances.
/// A thread holds one unit's three gates for four utterances, over a quarter of the 64; the quarters are added in order at the end,
/// then each thread turns one unit of one utterance into its gates and state.
/// Source: Diamos et al., "Persistent RNNs", ICML 2016, for what bounds the recurrence; Appleyard et al., arXiv:1604.01946, for the fusion.
/// </remarks>
internal sealed class GruForwardKernel(IlgpuEngine engine)
{
    private const int Threads = 256;
    private const int Units = 16;
    private const int Utterances = 16;
    private const int Depth = 64;

    // In units of Float4; the odd one keeps sixteen units' rows out of each other's banks.
    private const int SharedRow = Depth / 4 + 1;

    private readonly CellLauncher cell = engine.Load<CellLauncher>(CellKernel);

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
        var grid = new Index3D((step.N + Utterances - 1) / Utterances, (step.H + Units - 1) / Units, weights.Length);
        cell(
            engine.Stream, new KernelConfig(grid, new Index3D(Threads, 1, 1)), gates.View(), candidates.View(), hidden.View(), lengths.View(),
            first.Recurrent.View(), first.RecurrentBias.View(), last.Recurrent.View(), last.RecurrentBias.View(), step);
    }

    [GpuKernel(Threads)]
    private static void CellKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<int> lengths,
        ArrayView<float> weight0, ArrayView<float> bias0, ArrayView<float> weight1, ArrayView<float> bias1, GruStep step)
    {
        ArrayView<Float4> sharedU = SharedMemory.Allocate<Float4>(3 * Units * SharedRow);
        ArrayView<Float4> sharedH = SharedMemory.Allocate<Float4>(Utterances * SharedRow);

        // One call for each: a view chosen with ?: would lose its alignment, and with it the 128-bit loads.
        if (Grid.IdxZ == 0)
            Cell(gates, candidates, hidden, lengths, weight0, bias0, step, sharedU, sharedH);
        else
            Cell(gates, candidates, hidden, lengths, weight1, bias1, step, sharedU, sharedH);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Cell(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<int> lengths,
        ArrayView<float> weight, ArrayView<float> bias, GruStep step, ArrayView<Float4> sharedU, ArrayView<Float4> sharedH)
    {
        int thread = Group.IdxX;
        int direction = Grid.IdxZ;
        int frame = direction == 0 ? step.Done : step.T - 1 - step.Done;
        int before = direction == 0 ? frame - 1 : frame + 1;
        int unit0 = Grid.IdxY * Units;
        int utterance0 = Grid.IdxX * Utterances;
        int beforeBase = (direction * step.T + before) * step.N * step.H;
        int depth = step.Done == 0 ? 0 : step.H;

        // What this thread fetches: four k of one unit's three rows of U, and of one utterance's state.
        int line = thread >> 4;
        int four = thread & 15;
        int rowU = unit0 + line < step.H ? (unit0 + line) * step.H : -1;
        int rowH = utterance0 + line < step.N ? beforeBase + (utterance0 + line) * step.H : -1;
        int store = line * SharedRow + four;

        // What this thread computes: one unit, four utterances, a quarter of the k.
        int unit = thread & 15;
        int quad = (thread >> 4) & 3;
        int quarter = thread >> 6;
        int fromU = unit * SharedRow + quarter * 4;
        int fromH = quad * 4 * SharedRow + quarter * 4;
        Float4 sumR = default, sumZ = default, sumN = default;

        Float4 nextR = Fetch(weight, rowU, 4 * four, depth, step.AlignedU);
        Float4 nextZ = Fetch(weight, rowU, 4 * four + step.H * step.H, depth + step.H * step.H, step.AlignedU);
        Float4 nextN = Fetch(weight, rowU, 4 * four + 2 * step.H * step.H, depth + 2 * step.H * step.H, step.AlignedU);
        Float4 nextH = Fetch(hidden, rowH, 4 * four, depth, step.AlignedRows);
        for (int k0 = 0; k0 < depth; k0 += Depth)
        {
            sharedU[store] = nextR;
            sharedU[store + Units * SharedRow] = nextZ;
            sharedU[store + 2 * Units * SharedRow] = nextN;
            sharedH[store] = nextH;
            Group.Barrier();
            int k = k0 + Depth + 4 * four;
            nextR = Fetch(weight, rowU, k, depth, step.AlignedU);
            nextZ = Fetch(weight, rowU, k + step.H * step.H, depth + step.H * step.H, step.AlignedU);
            nextN = Fetch(weight, rowU, k + 2 * step.H * step.H, depth + 2 * step.H * step.H, step.AlignedU);
            nextH = Fetch(hidden, rowH, k, depth, step.AlignedRows);
            MultiplyAdd(ref sumR, ref sumZ, ref sumN, sharedU, sharedH, fromU, fromH);
            MultiplyAdd(ref sumR, ref sumZ, ref sumN, sharedU, sharedH, fromU + 1, fromH + 1);
            MultiplyAdd(ref sumR, ref sumZ, ref sumN, sharedU, sharedH, fromU + 2, fromH + 2);
            MultiplyAdd(ref sumR, ref sumZ, ref sumN, sharedU, sharedH, fromU + 3, fromH + 3);
            Group.Barrier();
        }

        // The operands are done with; their memory takes the quarters' sums: [quarter][gate][utterance][unit].
        ArrayView<float> sums = sharedU.Cast<float>();
        int put = quarter * (3 * Units * Utterances) + quad * 4 * Units + unit;
        PutFour(sums, put, sumR);
        PutFour(sums, put + Units * Utterances, sumZ);
        PutFour(sums, put + 2 * Units * Utterances, sumN);
        Group.Barrier();
        int n = utterance0 + (thread >> 4);
        int j = unit0 + unit;
        if (n < step.N && j < step.H)
        {
            float r = SumQuarters(sums, thread) + bias[j];
            float z = SumQuarters(sums, thread + Units * Utterances) + bias[step.H + j];
            float candidate = SumQuarters(sums, thread + 2 * Units * Utterances) + bias[2 * step.H + j];
            int row = (direction * step.T + frame) * step.N + n;
            int gate = row * 3 * step.H + j;
            int state = row * step.H + j;
            float previous = 0;
            if (step.Done > 0)
                previous = hidden[beforeBase + n * step.H + j];
            r = GruActivations.Sigmoid(gates[gate] + r);
            z = GruActivations.Sigmoid(gates[gate + step.H] + z);
            float c = GruActivations.Tanh(gates[gate + 2 * step.H] + r * candidate);
            bool live = frame < lengths[n];
            gates[gate] = live ? r : 0;
            gates[gate + step.H] = live ? z : 0;
            gates[gate + 2 * step.H] = live ? c : 0;
            candidates[state] = live ? candidate : 0;
            hidden[state] = live ? (1 - z) * c + z * previous : 0;
        }
    }

    /// <summary>Four elements of a row, zero from <paramref name="end"/> on; a negative row does not exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 Fetch(ArrayView<float> matrix, int row, int k, int end, int aligned) =>
        Float4.Load(matrix, row + k, row >= 0 ? end - k : 0, aligned);

    /// <summary>Adds the products of four k: one unit's three gates with four utterances.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(
        ref Float4 sumR, ref Float4 sumZ, ref Float4 sumN, ArrayView<Float4> sharedU, ArrayView<Float4> sharedH, int fromU, int fromH)
    {
        Float4 r = sharedU[fromU];
        Float4 z = sharedU[fromU + Units * SharedRow];
        Float4 n = sharedU[fromU + 2 * Units * SharedRow];
        Float4 h = sharedH[fromH];
        sumR.X = Float4.Dot(r, h, sumR.X);
        sumZ.X = Float4.Dot(z, h, sumZ.X);
        sumN.X = Float4.Dot(n, h, sumN.X);
        h = sharedH[fromH + SharedRow];
        sumR.Y = Float4.Dot(r, h, sumR.Y);
        sumZ.Y = Float4.Dot(z, h, sumZ.Y);
        sumN.Y = Float4.Dot(n, h, sumN.Y);
        h = sharedH[fromH + 2 * SharedRow];
        sumR.Z = Float4.Dot(r, h, sumR.Z);
        sumZ.Z = Float4.Dot(z, h, sumZ.Z);
        sumN.Z = Float4.Dot(n, h, sumN.Z);
        h = sharedH[fromH + 3 * SharedRow];
        sumR.W = Float4.Dot(r, h, sumR.W);
        sumZ.W = Float4.Dot(z, h, sumZ.W);
        sumN.W = Float4.Dot(n, h, sumN.W);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutFour(ArrayView<float> sums, int index, Float4 four)
    {
        sums[index] = four.X;
        sums[index + Units] = four.Y;
        sums[index + 2 * Units] = four.Z;
        sums[index + 3 * Units] = four.W;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumQuarters(ArrayView<float> sums, int index)
    {
        const int Quarter = 3 * Units * Utterances;
        return sums[index] + sums[index + Quarter] + sums[index + 2 * Quarter] + sums[index + 3 * Quarter];
    }
}
