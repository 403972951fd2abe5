using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;

namespace Ds2.Kernels.Ops;

/// <summary>
/// The product of a frame: 48 outputs of 8, 16 or 32 utterances a group, each a sum over k of weights times what the frame before left (states, or gradients). Weights cross
/// memory once for all utterances of a group.
/// </summary>
/// <remarks>
/// A thread makes 6 outputs of 8 utterances, over 8 k of each chunk. Threads are numbered (slice of 8 k, eight utterances, six outputs), the last running fastest: where a
/// group has fewer utterances, its threads share k among more slices, and nothing else changes: the loop is one for all. In the end the slices' sums are added in order.
/// Weights lie as threads read them: for each group of outputs blocks of 32 k; in a block, twelve times a 128-bit word (half precision: six times) of each (slice, six
/// outputs). They go from memory to registers, half a chunk ahead. In the words are outputs side by side, not k: a multiply-add takes its operands from different register banks
/// then.
/// States lie as shared memory holds them, a chunk after the other: [8 k][slice][utterance], zero beyond the last k and utterance.
/// Source: the outer products of Volkov and Demmel, SC 2008; the division of k among threads is CUTLASS's "sliced K".
/// </remarks>
internal static class GruProduct
{
    /// <summary>Outputs of a group: output r of the eight threads' six is number 8 r + thread.</summary>
    public const int Outputs = 48;

    /// <summary>The threads that share a slice of k and eight utterances.</summary>
    public const int Lanes = 8;

    /// <summary>k of a thread and chunk.</summary>
    private const int Depth = 8;

    // Of packed weights: what a warp reads where all its lanes have different ones.
    private const int BlockSlices = 4;
    private const int BlockThreads = BlockSlices * Lanes;
    private const int Words = Outputs / Lanes * Depth / 4;

    // In Finish: keeps the eight utterances of a thread in banks of their own.
    private const int Skew = 8;

    /// <summary>The length, in Float4, of the shared memory that <see cref="Multiply"/> and <see cref="Finish"/> need.</summary>
    public static int SharedLength(int threads) => 3 * Lanes * (threads + Skew) / 4;

    /// <summary>The elements from an output's utterances to the next one's: more than the utterances, so that eight outputs of four utterances are in different banks.</summary>
    public static int Row(int shift) => (1 << shift) + 4;

    /// <summary>Chunks of the sum.</summary>
    /// <param name="k">The length of the sum.</param>
    /// <param name="threads">Threads of a group, a power of two.</param>
    /// <param name="shift">A group has 1 &lt;&lt; shift utterances.</param>
    public static int Chunks(int k, int threads, int shift) => (k + Depth * (threads >> shift) - 1) / (Depth * (threads >> shift));

    /// <summary>The elements of a chunk of states.</summary>
    public static int ChunkLength(int threads) => Depth * threads;

    /// <summary>Where a state lies in its group's chunks.</summary>
    public static int Place(int k, int utterance, int threads, int shift)
    {
        int row = k >> 3 << shift; // of a slice of k and an utterance: a chunk has as many as threads
        return ((row & -threads) << 3) + (k & Depth - 1) * threads + (row & threads - 1) + utterance;
    }

    /// <summary>The blocks of 32 k of a group's packed weights: whole chunks, also of groups of 8 utterances.</summary>
    public static int Blocks(int k, int threads) => Chunks(k, threads, 3) * (threads / Lanes / BlockSlices);

    /// <summary>The threads that pack, each six outputs of eight k, with <see cref="Pack"/>.</summary>
    public static int PackThreads(int groups, int blocks) => checked(groups * blocks * BlockThreads);

    /// <summary>The length of the packed weights, in single precision.</summary>
    public static int PackedLength(int groups, int blocks) => checked(PackThreads(groups, blocks) * Words * 4);

    /// <summary>Which weights a packing thread has.</summary>
    /// <param name="thread">Its number.</param>
    /// <param name="blocks">Blocks of a group.</param>
    /// <returns>The group; the first of its six outputs, to which the others follow eight apart; the first of its eight k.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (int Group, int Output, int K) Packed(int thread, int blocks)
    {
        int block = thread / BlockThreads;
        int group = block / blocks;
        return (group, thread & Lanes - 1, ((block - group * blocks) * BlockSlices + (thread / Lanes & BlockSlices - 1)) * Depth);
    }

    /// <summary>Writes four of a thread's eight k, the first four or the last, of its six outputs: w0 to w5. In half precision if that is not 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(ArrayView<float> packed, int thread, int four, int half, Float4 w0, Float4 w1, Float4 w2, Float4 w3, Float4 w4, Float4 w5)
    {
        ArrayView<Float4> words = packed.Cast<Float4>();
        var a = new Float4(w0.X, w1.X, w2.X, w3.X);
        var b = new Float4(w4.X, w5.X, w4.Y, w5.Y);
        var c = new Float4(w0.Y, w1.Y, w2.Y, w3.Y);
        var d = new Float4(w0.Z, w1.Z, w2.Z, w3.Z);
        var e = new Float4(w4.Z, w5.Z, w4.W, w5.W);
        var f = new Float4(w0.W, w1.W, w2.W, w3.W);
        int block = thread / BlockThreads * Words;
        int lane = thread & BlockThreads - 1;
        if (half == 0)
        {
            int at = (block + four * Words / 2) * BlockThreads + lane;
            words[at] = a;
            words[at + BlockThreads] = b;
            words[at + 2 * BlockThreads] = c;
            words[at + 3 * BlockThreads] = d;
            words[at + 4 * BlockThreads] = e;
            words[at + 5 * BlockThreads] = f;
        }
        else
        {
            int at = (block + four * Words / 2) / 2 * BlockThreads + lane;
            words[at] = EightHalves.Encode(a, b);
            words[at + BlockThreads] = EightHalves.Encode(c, d);
            words[at + 2 * BlockThreads] = EightHalves.Encode(e, f);
        }
    }

    /// <summary>Adds this thread's part of the product.</summary>
    /// <param name="sums">The thread's outputs.</param>
    /// <param name="shared">[<see cref="SharedLength"/>].</param>
    /// <param name="packed">The packed weights.</param>
    /// <param name="blocks">The number of the group's first block.</param>
    /// <param name="states">The packed states.</param>
    /// <param name="chunk">The number of the group's first chunk.</param>
    /// <param name="chunks">How many there are.</param>
    /// <param name="odd">1 to sum over chunks from the last to the first; else 0.</param>
    /// <param name="shift">A group has 1 &lt;&lt; shift utterances.</param>
    /// <param name="threads">Threads of a group.</param>
    /// <param name="half">Whether weights are in half precision.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(
        ref Sums sums, ArrayView<Float4> shared, ArrayView<float> packed, int blocks, ArrayView<float> states, int chunk, int chunks, int odd, int shift,
        int threads, bool half)
    {
        int thread = Group.IdxX;
        int block = (half ? Words / 2 : Words) * BlockThreads;
        int slice = thread >> shift;
        int first = odd * (chunks - 1);
        int nextW = (threads >> shift) / BlockSlices * block;
        int nextS = 2 * threads; // a chunk, in Float4
        int indexW = (blocks + slice / BlockSlices) * block + (slice & BlockSlices - 1) * Lanes + (thread & Lanes - 1) + first * nextW;
        int indexS = (chunk + first) * nextS + thread;
        if (odd != 0)
        {
            nextW = -nextW;
            nextS = -nextS;
        }

        int mine = thread / Lanes * 2;
        ArrayView<Float4> from = shared.SubView(mine, (Depth - 1) * threads / 4 + 2);
        Half early = FetchHalf(packed, indexW, 0, half);
        ArrayView<Float4> chunkStates = states.Cast<Float4>().SubView(indexS, threads + 1);
        Float4 state0 = chunkStates[0];
        Float4 state1 = chunkStates[threads];
        for (int left = chunks - 1; left >= 0; left--)
        {
            // A chunk's halves are in two buffers: nobody writes one before all have passed the barrier of the other, and so have done with it.
            // What a half needs is loaded before the barrier of the half before it: no compiler moves a load beyond a barrier, later or earlier.
            shared[thread] = state0;
            Half late = FetchHalf(packed, indexW, 1, half);
            Group.Barrier();
            MultiplyAdd(ref sums, from, 0, early, threads, half);
            shared[thread + threads] = state1;

            // After the last chunk the same one once more, which nobody uses.
            if (left > 0)
            {
                indexW += nextW;
                indexS += nextS;
            }

            chunkStates = states.Cast<Float4>().SubView(indexS, threads + 1);
            state0 = chunkStates[0];
            state1 = chunkStates[threads];
            early = FetchHalf(packed, indexW, 0, half);
            Group.Barrier();
            MultiplyAdd(ref sums, from, Depth / 2, late, threads, half);
        }
    }

    /// <summary>Adds up the slices' sums of all outputs.</summary>
    /// <param name="sums">Each thread's.</param>
    /// <param name="shared">[<see cref="SharedLength"/>]; overwritten.</param>
    /// <param name="outputs">[48 rows of <see cref="Row"/>]: output o of an utterance at o Row + utterance; written. Others see it behind the next barrier.</param>
    /// <param name="shift">A group has 1 &lt;&lt; shift utterances.</param>
    /// <param name="threads">Threads of a group.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Finish(Sums sums, ArrayView<float> shared, ArrayView<float> outputs, int shift, int threads)
    {
        FinishThree(sums.First, shared, outputs, 0, shift, threads);
        FinishThree(sums.Last, shared, outputs, 3 * Lanes, shift, threads);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FinishThree(Three sums, ArrayView<float> shared, ArrayView<float> outputs, int first, int shift, int threads)
    {
        int thread = Group.IdxX;
        int row = threads + Skew;
        int output = 8 * row;
        Group.Barrier();
        PutFour(shared, thread, row, sums.Low0);
        PutFour(shared, thread + 4 * row, row, sums.High0);
        PutFour(shared, thread + output, row, sums.Low1);
        PutFour(shared, thread + output + 4 * row, row, sums.High1);
        PutFour(shared, thread + 2 * output, row, sums.Low2);
        PutFour(shared, thread + 2 * output + 4 * row, row, sums.High2);
        Group.Barrier();
        for (int i = thread; i < Lanes << shift; i += threads)
        {
            int utterance = i / Lanes;
            int lane = i & Lanes - 1;
            int at = (utterance & 7) * row + utterance / 8 * Lanes + lane;
            float sum0 = 0, sum1 = 0, sum2 = 0;
            for (int slice = threads >> shift; slice > 0; slice--)
            {
                ArrayView<float> three = shared.SubView(at, 2 * output + 1);
                sum0 += three[0];
                sum1 += three[output];
                sum2 += three[2 * output];
                at += 1 << shift;
            }

            int into = (first + lane) * Row(shift) + utterance;
            outputs[into] = sum0;
            outputs[into + Lanes * Row(shift)] = sum1;
            outputs[into + 2 * Lanes * Row(shift)] = sum2;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutFour(ArrayView<float> shared, int at, int row, Float4 four)
    {
        shared[at] = four.X;
        shared[at + row] = four.Y;
        shared[at + 2 * row] = four.Z;
        shared[at + 3 * row] = four.W;
    }

    /// <summary>A thread's weights of half a chunk.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Half FetchHalf(ArrayView<float> packed, int index, int part, bool half)
    {
        ArrayView<Float4> words = packed.Cast<Float4>().SubView(index, (half ? Words / 2 - 1 : Words - 1) * BlockThreads + 1);
        int at = part * (half ? Words / 4 : Words / 2) * BlockThreads;
        Half weights = default;
        weights.A = words[at];
        weights.B = words[at + BlockThreads];
        weights.C = words[at + 2 * BlockThreads];
        if (!half)
        {
            weights.D = words[at + 3 * BlockThreads];
            weights.E = words[at + 4 * BlockThreads];
            weights.F = words[at + 5 * BlockThreads];
        }

        return weights;
    }

    /// <summary>Adds the products of half a chunk: four k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums sums, ArrayView<Float4> states, int k, Half weights, int threads, bool half)
    {
        if (half)
        {
            MultiplyAdd(ref sums, states, k, EightHalves.First(weights.A), EightHalves.Second(weights.A), EightHalves.First(weights.B), threads);
            MultiplyAdd(ref sums, states, k + 2, EightHalves.Second(weights.B), EightHalves.First(weights.C), EightHalves.Second(weights.C), threads);
        }
        else
        {
            MultiplyAdd(ref sums, states, k, weights.A, weights.B, weights.C, threads);
            MultiplyAdd(ref sums, states, k + 2, weights.D, weights.E, weights.F, threads);
        }
    }

    /// <summary>Adds the products of two k: six outputs, eight utterances.</summary>
    /// <param name="sums">The outputs.</param>
    /// <param name="states">This thread's of the chunk.</param>
    /// <param name="k">The first.</param>
    /// <param name="a">Outputs 0 to 3 of the first k.</param>
    /// <param name="b">Outputs 4 and 5 of the first, then of the second.</param>
    /// <param name="c">Outputs 0 to 3 of the second.</param>
    /// <param name="threads">Threads of a group.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums sums, ArrayView<Float4> states, int k, Float4 a, Float4 b, Float4 c, int threads)
    {
        int at = k * threads / 4;
        MultiplyAddLow(ref sums, states[at], a, b.X, b.Y);
        MultiplyAddHigh(ref sums, states[at + 1], a, b.X, b.Y);
        MultiplyAddLow(ref sums, states[at + threads / 4], c, b.Z, b.W);
        MultiplyAddHigh(ref sums, states[at + threads / 4 + 1], c, b.Z, b.W);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAddLow(ref Sums sums, Float4 state, Float4 four, float w4, float w5)
    {
        sums.First.Low0 = Float4.MultiplyAdd(four.X, state, sums.First.Low0);
        sums.First.Low1 = Float4.MultiplyAdd(four.Y, state, sums.First.Low1);
        sums.First.Low2 = Float4.MultiplyAdd(four.Z, state, sums.First.Low2);
        sums.Last.Low0 = Float4.MultiplyAdd(four.W, state, sums.Last.Low0);
        sums.Last.Low1 = Float4.MultiplyAdd(w4, state, sums.Last.Low1);
        sums.Last.Low2 = Float4.MultiplyAdd(w5, state, sums.Last.Low2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAddHigh(ref Sums sums, Float4 state, Float4 four, float w4, float w5)
    {
        sums.First.High0 = Float4.MultiplyAdd(four.X, state, sums.First.High0);
        sums.First.High1 = Float4.MultiplyAdd(four.Y, state, sums.First.High1);
        sums.First.High2 = Float4.MultiplyAdd(four.Z, state, sums.First.High2);
        sums.Last.High0 = Float4.MultiplyAdd(four.W, state, sums.Last.High0);
        sums.Last.High1 = Float4.MultiplyAdd(w4, state, sums.Last.High1);
        sums.Last.High2 = Float4.MultiplyAdd(w5, state, sums.Last.High2);
    }

    /// <summary>Six outputs of eight utterances.</summary>
    internal struct Sums
    {
        public Three First, Last;
    }

    /// <summary>Three outputs, each of the utterances 0 to 3 and 4 to 7.</summary>
    internal struct Three
    {
        public Float4 Low0, High0, Low1, High1, Low2, High2;
    }

    /// <summary>Six outputs' weights of four k; in half precision the first three words.</summary>
    private struct Half
    {
        public Float4 A, B, C, D, E, F;
    }
}
