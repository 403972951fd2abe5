using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using CellGradientLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>,
    ArrayView<float>, ArrayView<int>, ArrayView<float>, ArrayView<float>, GruStep>;
using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, int, int>;

// Batches of more than eight: a group makes 48 units of 16 or 32 utterances, so that U crosses memory once a frame, with GruProduct. The groups are few, for each reads the
// gradients of all units of the frame after: 983 KB at H = 2560 and 32 utterances, 53 MB of second-level cache in all; in groups of 16 units it would be 157 MB, twice U
// itself.
internal sealed partial class GruBackwardKernel
{
    private const int WideThreads = 256;
    private const int WideUnits = GruProduct.Outputs;

    private readonly PackLauncher widePack = engine.Load<PackLauncher>(PackWideColumnsKernel);

    private readonly CellGradientLauncher wideCell =
        engine.Load<CellGradientLauncher>(precision == RecurrentPrecision.Fp32 ? CellGradientWideKernel : CellGradientWideHalfKernel);

    /// <summary>Whether groups are wide: more than eight utterances, and enough units that three of four multiprocessors have a group.</summary>
    private bool IsWide(GruShape shape) =>
        shape.N > Utterances && 4 * shape.Directions * Groups(shape.N, 1 << ShiftFor(shape.N)) * Groups(shape.H, WideUnits) >= 3 * Multiprocessors;

    private static int WideBlocks(int h) => GruProduct.Blocks(3 * h, WideThreads);

    /// <summary>A thread packs eight rows of its six units; zero beyond the last row and unit.</summary>
    [GpuKernel(WideThreads)]
    private static void PackWideColumnsKernel(ArrayView<float> recurrent, ArrayView<float> packed, int items, int h, int half, int aligned)
    {
        int i = Grid.GlobalIndex.X;
        if (i < items)
        {
            (int group, int output, int row) = GruProduct.Packed(i, WideBlocks(h));
            int unit = group * WideUnits + output;
            for (int four = 0; four < 2; four++)
            {
                GruProduct.Pack(
                    packed, i, four, half, Column(recurrent, row, unit, h), Column(recurrent, row, unit + 8, h), Column(recurrent, row, unit + 16, h),
                    Column(recurrent, row, unit + 24, h), Column(recurrent, row, unit + 32, h), Column(recurrent, row, unit + 40, h));
                row += 4;
            }
        }
    }

    /// <summary>Four rows of a column of U; zero beyond the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 Column(ArrayView<float> recurrent, int row, int unit, int h)
    {
        Float4 four = default;
        int rows = unit < h ? 3 * h - row : 0;
        int at = row * h + unit;
        if (rows > 0)
            four.X = recurrent[at];
        if (rows > 1)
            four.Y = recurrent[at + h];
        if (rows > 2)
            four.Z = recurrent[at + 2 * h];
        if (rows > 3)
            four.W = recurrent[at + 3 * h];
        return four;
    }

    [GpuKernel(WideThreads, GroupsPerMultiprocessor = 1)]
    private static void CellGradientWideKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> before, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> packed, ArrayView<float> gradients, GruStep step) =>
        CellGradientWide(gates, candidates, before, dY, carry, lengths, packed, gradients, step, half: false);

    [GpuKernel(WideThreads, GroupsPerMultiprocessor = 1, NeedsHalf = true)]
    private static void CellGradientWideHalfKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> before, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> packed, ArrayView<float> gradients, GruStep step) =>
        CellGradientWide(gates, candidates, before, dY, carry, lengths, packed, gradients, step, half: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CellGradientWide(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> before, ArrayView<float> dY, ArrayView<float> carry, ArrayView<int> lengths,
        ArrayView<float> packed, ArrayView<float> gradients, GruStep step, bool half)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(GruProduct.SharedLength(WideThreads));
        ArrayView<float> made = SharedMemory.Allocate<float>(3 * WideUnits * MostRow); // [gate][unit][utterance]; first the products, where dr' comes
        bool odd = (step.Done & 1) != 0;
        int direction = Grid.IdxZ;
        int chunks = GruProduct.Chunks(3 * step.H, WideThreads, step.Shift);

        // In chunks: this group's gradients in the half that the frame after wrote, and in the half that this one writes.
        int reads = (direction * Grid.DimX + Grid.IdxX) * chunks;
        int writes = reads;
        if (odd)
            writes += Grid.DimZ * Grid.DimX * chunks;
        else
            reads += Grid.DimZ * Grid.DimX * chunks;
        GruProduct.Sums sums = default;
        if (step.Done > 0)
        {
            int block = (direction * Grid.DimY + Grid.IdxY) * WideBlocks(step.H);
            GruProduct.Multiply(ref sums, shared, packed, block, gradients, reads, chunks, step.Done & 1, step.Shift, WideThreads, half);
        }

        GruProduct.Finish(sums, shared.Cast<float>(), made, step.Shift, WideThreads);
        Group.Barrier();
        int unit0 = Grid.IdxY * WideUnits;
        int row = GruProduct.Row(step.Shift);
        for (int i = Group.IdxX; i < WideUnits << step.Shift; i += WideThreads)
        {
            // Eight units side by side, then utterances, then the next eight units.
            int eight = i >> step.Shift >> 3;
            int utterance = (i >> 3) - (eight << step.Shift);
            int unit = eight * 8 + (i & 7);
            int own = unit * row + utterance;
            Gates gradient = PropagateGates(
                gates, candidates, before, dY, carry, lengths, step, direction, (Grid.IdxX << step.Shift) + utterance, unit0 + unit, made[own]);
            made[own] = gradient.R;
            made[own + WideUnits * row] = gradient.Z;
            made[own + 2 * WideUnits * row] = gradient.U;
        }

        Group.Barrier();
        writes *= GruProduct.ChunkLength(WideThreads);
        for (int i = Group.IdxX; i < WideUnits << step.Shift; i += WideThreads)
        {
            int unit = i >> step.Shift;
            int utterance = i - (unit << step.Shift);
            int own = unit * row + utterance;
            int k = unit0 + unit;
            if (k < step.H)
            {
                gradients[writes + GruProduct.Place(k, utterance, WideThreads, step.Shift)] = made[own];
                gradients[writes + GruProduct.Place(step.H + k, utterance, WideThreads, step.Shift)] = made[own + WideUnits * row];
                gradients[writes + GruProduct.Place(2 * step.H + k, utterance, WideThreads, step.Shift)] = made[own + 2 * WideUnits * row];
            }
        }
    }
}
