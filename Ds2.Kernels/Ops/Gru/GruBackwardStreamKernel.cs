using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using PackLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<float>, int, int, GruStream>;

/// <summary>All frames of a wide layer's back-propagation through time in one launch: what <see cref="GruBackwardKernel"/> does in one a frame, with some of U on the chip.</summary>
/// <remarks>
/// A thread of the product sums (dr', dz', du) U for three units, lanes apart. Then a thread makes the gradients of one unit of one utterance, first of utterances 0 to 3, then of 4 to 7; what it needs
/// of the frame is on its way while the sums are added.
/// </remarks>
internal sealed class GruBackwardStreamKernel(IlgpuEngine engine, RecurrentPrecision precision) : GruStreamKernel(
    engine, precision, precision == RecurrentPrecision.Fp32 ? PassKernel : PassHalfKernel, outputsOfUnit: 1)
{
    private const int Threads = GruStreamProduct.Threads;
    private const int PackThreads = 256;

    // In Float4: two chunks of gradients, in half precision at most, or the sums of four utterances.
    private const int SharedLength = 2 * MostHalfSlices * (16 * GruStreamProduct.Utterances + 4) / 4;

    // Sixteen would use all threads where a group has 48 units, and ask for a fifth copy, for which registers are short.
    private const int MostHalfSlices = 15;

    // Of 64 bits, a thread and chunk of gradients.
    private const int Copies = 3, HalfCopies = 4;

    // A thread that makes no gradients.
    private const int None = -1;

    private readonly PackLauncher? pack = engine.HasCooperativeLaunch ? engine.Load<PackLauncher>(PackColumnsKernel) : null;

    /// <inheritdoc/>
    protected override int MostSlices => IsHalf ? MostHalfSlices : GruStreamProduct.MostSlices(Copies, IsHalf);

    /// <summary>Scratch that <see cref="Run"/> takes, in fp32 elements.</summary>
    public int Workspace(GruShape shape) => checked(
        Contract.Workspace.Round(Packed(shape).Length) + Contract.Workspace.Round(Handed(shape).Length) + Contract.Workspace.Round(Barriers(shape.Directions).Length));

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
        GruStream pass = Sizes(shape.H, shape.Directions);
        pass.T = shape.T;
        pass.N = shape.N;
        pass.HasInitial = initial is null ? 0 : 1;
        pass.WantsInitial = dInitial is null ? 0 : 1;
        pass.Looks = Engine.BarrierLooks;
        Tensor gradients = workspace.Take(Handed(shape));
        ArrayView<int> barrier = workspace.Take(Barriers(shape.Directions)).View().Cast<int>();
        Tensor packed = workspace.Take(Packed(shape));
        int length = packed.Shape[1];
        for (int direction = 0; direction < shape.Directions; direction++)
        {
            int pieces = length / (GruStreamProduct.KeptLength / Threads * 4);
            pack!(
                Engine.Stream, IlgpuEngine.Cover(pieces, PackThreads), weights[direction].Recurrent.View(), packed.Slice(direction * length, new Shape(length)).View(), pieces, IsHalf ? 1 : 0,
                pass);
        }

        // Neither units that do not exist nor utterances may be NaN: they are multiplied by zeros.
        gradients.Fill(0);
        Kernel.Launch(
            new Index3D(Groups(shape.H, shape.Directions), 1, shape.Directions), barrier,
            gates.View(), candidates.View(), hidden.View(), (initial ?? hidden).View(), dY.View(), (dInitial ?? hidden).View(), lengths.View(), packed.View(),
            gradients.View(), gradients.View().Address(), barrier, barrier.Address(), pass);
    }

    private Shape Packed(GruShape shape) => new(shape.Directions, PackedLength(shape.H, shape.Directions));

    /// <summary>A thread packs its piece of one chunk: of three columns of U.</summary>
    [GpuKernel(PackThreads, NeedsHalf = true)]
    private static void PackColumnsKernel(ArrayView<float> recurrent, ArrayView<float> packed, int pieces, int half, GruStream sizes)
    {
        int i = Grid.GlobalIndex.X;
        if (i < pieces)
        {
            int block = i / Threads;
            int group = block / sizes.Chunks;
            int chunk = GruStreamProduct.Chunk(block - group * sizes.Chunks, sizes.Chunks);
            int slice = i % Threads / sizes.Lanes;
            int unit = group * sizes.Lanes * GruStreamProduct.Outputs + i % Threads - slice * sizes.Lanes;
            for (int triple = 0; triple < 2; triple++)
            {
                if (half != 0)
                {
                    int k = (chunk * sizes.Slices + slice) * GruStreamProduct.Depth(true) + triple * 8;
                    GruStreamProduct.Pack(
                        packed, i, triple, true, FourRows(recurrent, k, unit, sizes.H), FourRows(recurrent, k, unit + sizes.Lanes, sizes.H), FourRows(recurrent, k, unit + 2 * sizes.Lanes, sizes.H),
                        FourRows(recurrent, k + 4, unit, sizes.H), FourRows(recurrent, k + 4, unit + sizes.Lanes, sizes.H), FourRows(recurrent, k + 4, unit + 2 * sizes.Lanes, sizes.H));
                }
                else
                {
                    int k = (chunk * sizes.Slices + slice) * GruStreamProduct.Depth(false) + triple * 4;
                    GruStreamProduct.Pack(
                        packed, i, triple, false, FourRows(recurrent, k, unit, sizes.H), FourRows(recurrent, k, unit + sizes.Lanes, sizes.H),
                        FourRows(recurrent, k, unit + 2 * sizes.Lanes, sizes.H), default, default, default);
                }
            }
        }
    }

    /// <summary>Four rows of a column of U; zero beyond the last row and column.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 FourRows(ArrayView<float> recurrent, int row, int unit, int h) => new(
        Element(recurrent, row, unit, h), Element(recurrent, row + 1, unit, h), Element(recurrent, row + 2, unit, h), Element(recurrent, row + 3, unit, h));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Element(ArrayView<float> recurrent, int row, int unit, int h)
    {
        float element = 0;
        if (row < 3 * h && unit < h)
            element = recurrent[row * h + unit];
        return element;
    }

    [GpuKernel(Threads, GroupsPerMultiprocessor = 1, IsCooperative = true)]
    private static void PassKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<float> dY, ArrayView<float> dInitial,
        ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> gradients, long gradientsAddress, ArrayView<int> barrier, long barrierAddress, GruStream pass) =>
        Pass(gates, candidates, hidden, initial, dY, dInitial, lengths, packed, gradients, gradientsAddress, barrier, barrierAddress, pass, half: false);

    [GpuKernel(Threads, GroupsPerMultiprocessor = 1, IsCooperative = true, NeedsHalf = true)]
    private static void PassHalfKernel(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<float> dY, ArrayView<float> dInitial,
        ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> gradients, long gradientsAddress, ArrayView<int> barrier, long barrierAddress, GruStream pass) =>
        Pass(gates, candidates, hidden, initial, dY, dInitial, lengths, packed, gradients, gradientsAddress, barrier, barrierAddress, pass, half: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pass(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<float> dY, ArrayView<float> dInitial,
        ArrayView<int> lengths, ArrayView<float> packed, ArrayView<float> gradients, long gradientsAddress, ArrayView<int> barrier, long barrierAddress, GruStream pass, bool half)
    {
        ArrayView<Float4> kept = SharedMemory.Allocate<Float4>(GruStreamProduct.KeptLength);
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(SharedLength);
        ArrayView<float> carries = SharedMemory.Allocate<float>(2 * Threads);
        ArrayView<int> live = SharedMemory.Allocate<int>(GruStreamProduct.Utterances);
        ArrayView<int> owns = SharedMemory.Allocate<int>(Threads);
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

        // The unit, and the first of the two utterances, of which this thread makes the gradients; nothing beyond the last unit. Read again from shared memory in each frame: what follows from it would take registers.
        int units = pass.Lanes * GruStreamProduct.Outputs;
        int four = thread / units;
        int output = (thread - four * units) / pass.Lanes;
        bool makes = four < GruStreamProduct.Utterances / 2 && Grid.IdxX * units + thread - four * units < pass.H;
        cells[thread] = makes ? ((four << 2) + output << 8) + thread - four * units - output * pass.Lanes : None;
        if (thread == 0)
            zero[0] = 0;
        if (thread < GruStreamProduct.Utterances)
            live[thread] = thread < pass.N ? lengths[thread] : 0;

        owns[thread] = GruStreamProduct.Own(pass, half);

        // What the frame before gets of dh directly: dh z.
        carries[thread] = 0;
        carries[Threads + thread] = 0;
        int frames = pass.T + pass.WantsInitial;
        for (int done = 0; done < frames; done++)
        {
            GruStreamProduct.Sums sums = default;
            if (done > 0)
            {
                if (!GridBarrier.Wait(seen, barrier, barrierAddress, direction, done * Grid.DimX, pass.Looks))
                    return;
                long from = gradientsAddress + (direction * 2 + (done & 1 ^ 1)) * pass.FrameLength * (long)sizeof(float);
                GruStreamProduct.Position at = GruStreamProduct.Begin(shared, owns[thread], from, pass, half ? HalfCopies : Copies);
                Group.Barrier();
                GruStreamProduct.Multiply(
                    ref sums, ref next, at, u, kept, shared, packed, block, pass, half ? HalfCopies : Copies, zero[0], half);
            }

            // All are on their way before the first is waited for.
            int cell = cells[thread];
            Values first = Load(gates, candidates, hidden, initial, dY, pass, done, cell, 0);
            Values second = Load(gates, candidates, hidden, initial, dY, pass, done, cell, 1);
            ArrayView<float> to = gradients.SubView((direction * 2 + (done & 1)) * pass.FrameLength, pass.FrameLength);
            GruStreamProduct.Put(shared.Cast<float>(), sums.Low0, sums.Low1, sums.Low2);
            Group.Barrier();
            Gradients early = Propagate(dInitial, live, shared.Cast<float>(), carries, first, to, pass, done, cell, 0, half);
            Group.Barrier();
            GruStreamProduct.Put(shared.Cast<float>(), sums.High0, sums.High1, sums.High2);
            Group.Barrier();
            Gradients late = Propagate(dInitial, live, shared.Cast<float>(), carries, second, to, pass, done, cell, 1, half);
            if (done < frames - 1)
                GridBarrier.Arrive(barrier, direction);
            cell = cells[thread];
            Store(gates, candidates, early, pass, done, cell, 0);
            Store(gates, candidates, late, pass, done, cell, 1);
        }
    }

    /// <summary>What the forward pass left of a unit in this frame, and the gradient from above.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Values Load(
        ArrayView<float> gates, ArrayView<float> candidates, ArrayView<float> hidden, ArrayView<float> initial, ArrayView<float> dY, GruStream pass, int done, int cell, int second)
    {
        // Without a condition, so that nothing waits between two loads: where there is nothing to load, the group's first unit, which nobody uses.
        bool exists = Exists(pass, cell, second);
        cell = exists ? cell : 0;
        second = exists ? second : 0;
        bool isFirst = done >= pass.T - 1; // in time
        int j = Unit(pass, cell);
        int row = Row(pass, IntrinsicMath.Min(done, pass.T - 1), cell, second);
        int gate = row * 3 * pass.H + j;
        int state = row * pass.H + j;
        Values loaded = default;
        loaded.DY = dY[state - Grid.IdxZ * pass.T * pass.N * pass.H];
        loaded.R = gates[gate];
        loaded.Z = gates[gate + pass.H];
        loaded.N = gates[gate + 2 * pass.H];
        loaded.Candidate = candidates[state];
        float before = hidden[isFirst ? state : state + (Grid.IdxZ == 0 ? -pass.N : pass.N) * pass.H];
        float start = initial[Utterance(cell, second) * pass.H + j]; // of `hidden`, where there is no initial state
        start = pass.HasInitial != 0 ? start : 0;
        loaded.Before = isFirst ? start : before;
        return loaded;
    }

    /// <summary>The gradients of one unit of one utterance, of which the frame before gets dr', dz' and du at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Gradients Propagate(
        ArrayView<float> dInitial, ArrayView<int> live, ArrayView<float> sums, ArrayView<float> carries, Values values, ArrayView<float> to, GruStream pass, int done, int cell, int second, bool half)
    {
        Gradients gradients = default;
        if (Exists(pass, cell, second))
        {
            int j = Unit(pass, cell);
            int n = Utterance(cell, second);
            float carry = carries[second * Threads + Group.IdxX] + GruStreamProduct.Sum(sums, Output(cell), Utterance(cell, 0), Lane(cell), pass);
            if (done == pass.T)
            {
                dInitial[n * pass.H + j] = carry;
            }
            else
            {
                float keep = 0;
                if ((Grid.IdxZ == 0 ? pass.T - 1 - done : done) < live[n])
                {
                    float dH = values.DY + carry;
                    gradients.N = dH * (1 - values.Z) * (1 - values.N * values.N);
                    gradients.Z = dH * (values.Before - values.N) * values.Z * (1 - values.Z);
                    gradients.R = gradients.N * values.Candidate * values.R * (1 - values.R);
                    gradients.U = gradients.N * values.R;
                    keep = dH * values.Z;
                }

                to[GruStreamProduct.Place(j, half) + n] = gradients.R;
                to[GruStreamProduct.Place(pass.H + j, half) + n] = gradients.Z;
                to[GruStreamProduct.Place(2 * pass.H + j, half) + n] = gradients.U;
                carries[second * Threads + Group.IdxX] = keep;
            }
        }

        return gradients;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ArrayView<float> gates, ArrayView<float> candidates, Gradients gradients, GruStream pass, int done, int cell, int second)
    {
        if (Exists(pass, cell, second) && done < pass.T)
        {
            int j = Unit(pass, cell);
            int row = Row(pass, done, cell, second);
            int gate = row * 3 * pass.H + j;
            gates[gate] = gradients.R;
            gates[gate + pass.H] = gradients.Z;
            gates[gate + 2 * pass.H] = gradients.N;
            candidates[row * pass.H + j] = gradients.U;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Exists(GruStream pass, int cell, int second) => cell != None && Utterance(cell, second) < pass.N;

    private static int Unit(GruStream pass, int cell) => (Grid.IdxX * GruStreamProduct.Outputs + Output(cell)) * pass.Lanes + Lane(cell);

    private static int Lane(int cell) => cell & 255;

    private static int Output(int cell) => cell >> 8 & 3;

    private static int Utterance(int cell, int second) => (cell >> 10) + second * (GruStreamProduct.Utterances / 2);

    /// <summary>Of (direction, frame, utterance). Direction 0 ran upwards and is unrolled from the last frame down; direction 1 the other way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Row(GruStream pass, int done, int cell, int second) =>
        (Grid.IdxZ * pass.T + (Grid.IdxZ == 0 ? pass.T - 1 - done : done)) * pass.N + Utterance(cell, second);

    /// <summary>What a unit's gradients are made of, but for those of the frame after.</summary>
    private struct Values
    {
        public float DY, R, Z, N, Candidate, Before;
    }

    /// <summary>dr', dz', dn' and du.</summary>
    private struct Gradients
    {
        public float R, Z, N, U;
    }
}
