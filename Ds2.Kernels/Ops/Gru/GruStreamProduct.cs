using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;

namespace Ds2.Kernels.Ops;

/// <summary>
/// The product of a frame where one launch computes all frames and U is too large to stay on the chip: some of the weights of a group stay, in registers and shared memory, and the rest streams by, frame after frame.
/// </summary>
/// <remarks>
/// A multiprocessor has one group of 256 threads with 255 registers each. A thread makes three outputs of eight utterances over its own k: threads are numbered (slice of k, lane), the lane running fastest, and threads
/// beyond the last slice repeat the one before. A <em>chunk</em> is one piece of weights of each thread, six 128-bit words: 8 k of three outputs, in half precision 16. Chunks that stay lie evenly among those that stream, and what
/// streams is loaded a chunk ahead, across the wait for the other groups too: memory does not stand still while a chunk that stays is multiplied or states are handed on.
/// In the words outputs are side by side, not k, so that a multiply-add takes its operands from different register banks. States pass through shared memory a chunk at a time, in two buffers:
/// [slice][k][utterance], slices four elements further apart than they are long, so that neighbouring ones are in different banks.
/// Source: Diamos et al., "Persistent RNNs", ICML 2016, where all of U stays.
/// </remarks>
internal static class GruStreamProduct
{
    /// <summary>Threads of a group.</summary>
    public const int Threads = 256;

    /// <summary>Outputs of a thread, lanes apart.</summary>
    public const int Outputs = 3;

    /// <summary>Utterances of a group.</summary>
    public const int Utterances = 8;

    /// <summary>The chunks that stay: one in shared memory, the others in registers.</summary>
    public const int Staying = 7;

    // A slice begins before so many Float4, as a power of two.
    private const int SliceBits = 16;

    /// <summary>Of a thread's piece.</summary>
    private const int Words = 6;

    /// <summary>The length, in Float4, of the shared memory that holds one chunk's weights.</summary>
    public const int KeptLength = Words * Threads;

    /// <summary>The length, in Float4, that <see cref="Put"/> needs.</summary>
    public const int SumsLength = Outputs * Utterances / 2 * Threads / 4;

    /// <summary>k of a piece.</summary>
    public static int Depth(bool half) => half ? 16 : 8;

    /// <summary>The elements of a slice of a chunk of states.</summary>
    public static int SliceLength(bool half) => Depth(half) * Utterances + 4;

    /// <summary>The elements of a packed direction's weights.</summary>
    public static int PackedLength(int groups, int chunks) => checked(groups * chunks * KeptLength * 4);

    /// <summary>Where a state of the first utterance lies among the chunks of states.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Place(int k, bool half) => k / Depth(half) * SliceLength(half) + k % Depth(half) * Utterances;

    /// <summary>Which chunk of k lies at a place of a group's weights: first come those that stream, in order, then those that stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Chunk(int place, int chunks)
    {
        int streaming = IntrinsicMath.Max(chunks - Staying, 0);
        int between = Between(chunks);
        int chunk = place + Staying;
        if (place >= streaming)
            chunk = (place - streaming) * (between + 1) + between;
        else if (place < between * Staying)
            chunk = place + place / between;
        return chunk;
    }

    /// <summary>Writes a thread's piece: for four k after four, three outputs.</summary>
    /// <param name="packed">The weights.</param>
    /// <param name="piece">The number of the piece: (group, place), then the thread.</param>
    /// <param name="triple">Which three of its words: 0 or 1.</param>
    /// <param name="half">Whether in half precision.</param>
    /// <param name="w0">Four k of output 0.</param>
    /// <param name="w1">Of output 1.</param>
    /// <param name="w2">Of output 2.</param>
    /// <param name="next0">In half precision the next four k of output 0.</param>
    /// <param name="next1">Of output 1.</param>
    /// <param name="next2">Of output 2.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(ArrayView<float> packed, int piece, int triple, bool half, Float4 w0, Float4 w1, Float4 w2, Float4 next0, Float4 next1, Float4 next2)
    {
        ArrayView<Float4> words = packed.Cast<Float4>();
        int at = piece / Threads * KeptLength + triple * (Words / 2) * Threads + piece % Threads;
        var a = new Float4(w0.X, w1.X, w2.X, w0.Y);
        var b = new Float4(w1.Y, w2.Y, w0.Z, w1.Z);
        var c = new Float4(w2.Z, w0.W, w1.W, w2.W);
        if (half)
        {
            Float4 first = EightHalves.Encode(a, b);
            b = EightHalves.Encode(c, new Float4(next0.X, next1.X, next2.X, next0.Y));
            c = EightHalves.Encode(new Float4(next1.Y, next2.Y, next0.Z, next1.Z), new Float4(next2.Z, next0.W, next1.W, next2.W));
            a = first;
        }

        words[at] = a;
        words[at + Threads] = b;
        words[at + 2 * Threads] = c;
    }

    /// <summary>The weights that stay in registers.</summary>
    /// <param name="packed">The weights.</param>
    /// <param name="block">The number of the group's first chunk.</param>
    /// <param name="chunks">How many chunks there are.</param>
    /// <param name="thread">The thread's place in a word: its number, or the last that multiplies.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pieces Load(ArrayView<float> packed, int block, int chunks, int thread)
    {
        int first = IntrinsicMath.Max(chunks - Staying, 0);
        Pieces u = default;
        u.P0 = LoadStaying(packed, block, chunks, first, thread);
        u.P1 = LoadStaying(packed, block, chunks, first + 1, thread);
        u.P2 = LoadStaying(packed, block, chunks, first + 2, thread);
        u.P3 = LoadStaying(packed, block, chunks, first + 3, thread);
        u.P4 = LoadStaying(packed, block, chunks, first + 4, thread);
        u.P5 = LoadStaying(packed, block, chunks, first + 5, thread);
        return u;
    }

    /// <summary>The weights of one chunk to shared memory, where each thread finds its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Keep(ArrayView<Float4> kept, ArrayView<float> packed, int block, int chunks, int thread)
    {
        Piece piece = LoadStaying(packed, block, chunks, IntrinsicMath.Max(chunks - Staying, 0) + Staying - 1, thread);
        ArrayView<Float4> own = kept.SubView(Group.IdxX, KeptLength - Group.IdxX);
        own[0] = piece.A;
        own[Threads] = piece.B;
        own[2 * Threads] = piece.C;
        own[3 * Threads] = piece.D;
        own[4 * Threads] = piece.E;
        own[5 * Threads] = piece.F;
    }

    /// <summary>A thread's weights of the chunk at a place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Piece Fetch(ArrayView<float> packed, int place, int thread)
    {
        ArrayView<Float4> words = packed.Cast<Float4>().SubView(place * KeptLength + thread, (Words - 1) * Threads + 1);
        return new Piece { A = words[0], B = words[Threads], C = words[2 * Threads], D = words[3 * Threads], E = words[4 * Threads], F = words[5 * Threads] };
    }

    /// <summary>The most slices of k whose states are copied.</summary>
    /// <param name="copies">Copies of 64 bits that a thread makes of a chunk.</param>
    /// <param name="half">Whether weights are in half precision.</param>
    public static int MostSlices(int copies, bool half) => copies * Threads * 2 / SliceLength(half);

    /// <summary>The thread's number, and where its slice of a chunk begins, in Float4. (Read again in each frame, it keeps what follows from it out of registers.)</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Own(GruStream pass, bool half) => (Group.IdxX << SliceBits) + IntrinsicMath.Min(Group.IdxX / pass.Lanes, pass.Slices - 1) * (SliceLength(half) / 4);

    /// <summary>A frame's states, or gradients, as its product begins: the first chunk is on its way to shared memory, and there behind the next barrier.</summary>
    /// <param name="shared">The two buffers.</param>
    /// <param name="own">The thread's <see cref="Own"/>.</param>
    /// <param name="states">Where the first chunk lies on the device.</param>
    /// <param name="pass">The sizes.</param>
    /// <param name="copies">Copies of 64 bits that a thread makes of a chunk, at most 4.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Position Begin(ArrayView<Float4> shared, int own, long states, GruStream pass, int copies)
    {
        Position at = default;
        int thread = own >> SliceBits;
        at.Slice = own & (1 << SliceBits) - 1;
        at.From = states + thread * sizeof(double);
        CopyStates(shared, 0, at.From, thread, pass, 0, copies);
        at.From += pass.ChunkBytes;
        return at;
    }

    /// <summary>Copies a part of a chunk of states to the buffer that is not read: others may have written them in this launch.</summary>
    /// <remarks>Without a loop, which the assembler would unroll; in parts, since registers for more than two loads at a time are not left.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyStates(ArrayView<Float4> shared, int buffer, long from, int thread, GruStream pass, int first, int end)
    {
        if (first <= 0 && end > 0)
            CopyStates(shared, buffer, from, thread, pass, 0);
        if (first <= 1 && end > 1)
            CopyStates(shared, buffer, from, thread, pass, 1);
        if (first <= 2 && end > 2)
            CopyStates(shared, buffer, from, thread, pass, 2);
        if (first <= 3 && end > 3)
            CopyStates(shared, buffer, from, thread, pass, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyStates(ArrayView<Float4> shared, int buffer, long from, int thread, GruStream pass, int part)
    {
        if (thread + part * Threads < pass.ChunkLength / 2)
            GridBarrier.Load(shared.Cast<double>(), 2 * buffer + thread + part * Threads, from + part * Threads * sizeof(double));
    }

    /// <summary>Adds this thread's part of the product. A barrier has been passed since <see cref="Begin"/>; at the end another has been passed.</summary>
    /// <param name="sums">The thread's outputs.</param>
    /// <param name="next">The thread's weights of the first chunk that streams; in the end the same again.</param>
    /// <param name="at">What <see cref="Begin"/> gave.</param>
    /// <param name="u">What stays in registers.</param>
    /// <param name="kept">What stays in shared memory.</param>
    /// <param name="shared">The two buffers of states.</param>
    /// <param name="packed">The weights.</param>
    /// <param name="block">The number of the group's first chunk.</param>
    /// <param name="pass">The sizes.</param>
    /// <param name="copies">Copies of 64 bits that a thread makes of a chunk of states, at most 4.</param>
    /// <param name="zero">Read from shared memory in this frame.</param>
    /// <param name="half">Whether weights are in half precision.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(
        ref Sums sums, ref Piece next, Position at, Pieces u, ArrayView<Float4> kept, ArrayView<Float4> shared, ArrayView<float> packed, int block, GruStream pass, int copies, int zero,
        bool half)
    {
        int between = Between(pass.Chunks);
        at.Word = block * KeptLength + IntrinsicMath.Min(Group.IdxX, pass.Lanes * pass.Slices - 1);
        int last = at.Word + pass.StreamLength;
        int end = between;
        Stream(ref sums, ref next, ref at, end, shared, packed, last, pass, copies, half);
        Stay(ref sums, u.P0, ref at, shared, pass, copies, zero, half);
        Stream(ref sums, ref next, ref at, end += between + 1, shared, packed, last, pass, copies, half);
        Stay(ref sums, u.P1, ref at, shared, pass, copies, zero, half);
        Stream(ref sums, ref next, ref at, end += between + 1, shared, packed, last, pass, copies, half);
        Stay(ref sums, u.P2, ref at, shared, pass, copies, zero, half);
        Stream(ref sums, ref next, ref at, end += between + 1, shared, packed, last, pass, copies, half);
        Stay(ref sums, u.P3, ref at, shared, pass, copies, zero, half);
        Stream(ref sums, ref next, ref at, end += between + 1, shared, packed, last, pass, copies, half);
        Stay(ref sums, u.P4, ref at, shared, pass, copies, zero, half);
        Stream(ref sums, ref next, ref at, end += between + 1, shared, packed, last, pass, copies, half);
        Stay(ref sums, u.P5, ref at, shared, pass, copies, zero, half);
        Stream(ref sums, ref next, ref at, end += between + 1, shared, packed, last, pass, copies, half);
        ArrayView<Float4> own = kept.SubView(Group.IdxX, KeptLength - Group.IdxX);
        Stay(
            ref sums, new Piece { A = own[0], B = own[Threads], C = own[2 * Threads], D = own[3 * Threads], E = own[4 * Threads], F = own[5 * Threads] }, ref at, shared, pass, copies, zero,
            half);
        Stream(ref sums, ref next, ref at, pass.Chunks, shared, packed, last, pass, copies, half);
    }

    /// <summary>Puts a thread's sums of four utterances where others find them behind the next barrier, with <see cref="Sum"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put(ArrayView<float> shared, Float4 output0, Float4 output1, Float4 output2)
    {
        ArrayView<float> own = shared.SubView(Group.IdxX, 12 * Threads - Group.IdxX);
        own[0] = output0.X;
        own[Threads] = output0.Y;
        own[2 * Threads] = output0.Z;
        own[3 * Threads] = output0.W;
        own[4 * Threads] = output1.X;
        own[5 * Threads] = output1.Y;
        own[6 * Threads] = output1.Z;
        own[7 * Threads] = output1.W;
        own[8 * Threads] = output2.X;
        own[9 * Threads] = output2.Y;
        own[10 * Threads] = output2.Z;
        own[11 * Threads] = output2.W;
    }

    /// <summary>The sum of all slices, the first one first.</summary>
    /// <param name="shared">What <see cref="Put"/> has filled.</param>
    /// <param name="output">Which of a thread's three outputs.</param>
    /// <param name="utterance">Which of the four.</param>
    /// <param name="lane">The lane.</param>
    /// <param name="pass">The sizes.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(ArrayView<float> shared, int output, int utterance, int lane, GruStream pass)
    {
        int at = (output * 4 + utterance) * Threads + lane;
        float sum = 0;
        for (int slice = 0; slice < pass.Slices; slice++)
        {
            sum += shared[at];
            at += pass.Lanes;
        }

        return sum;
    }

    // How many chunks stream before each that stays.
    private static int Between(int chunks) => IntrinsicMath.Max(chunks / Staying - 1, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Piece LoadStaying(ArrayView<float> packed, int block, int chunks, int place, int thread)
    {
        Piece piece = default;
        if (place < chunks)
            piece = Fetch(packed, block + place, thread);
        return piece;
    }

    /// <summary>Chunks that stream, up to the one before <paramref name="end"/>, or to the last.</summary>
    /// <remarks>What half a chunk needs is loaded when the half before it has been multiplied, into the registers that it has left: no compiler moves a load beyond a barrier, later or earlier, be it one of a warp.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Stream(
        ref Sums sums, ref Piece next, ref Position at, int end, ArrayView<Float4> shared, ArrayView<float> packed, int last, GruStream pass, int copies, bool half)
    {
        end = IntrinsicMath.Min(end, pass.Chunks);
        while (at.Chunk < end)
        {
            ArrayView<Float4> from = Buffer(shared, at, half);
            MultiplyAdd(ref sums, next.A, next.B, next.C, from, 0, half);
            CopyStates(shared, pass.ChunkFours - at.Buffer, at.From, Group.IdxX, pass, 0, copies / 2);
            Warp.Barrier();
            at.Word += KeptLength;
            if (at.Word >= last)
                at.Word -= pass.StreamLength;
            ArrayView<Float4> words = packed.Cast<Float4>().SubView(at.Word, (Words - 1) * Threads + 1);
            next.A = words[0];
            next.B = words[Threads];
            next.C = words[2 * Threads];
            Warp.Barrier();
            MultiplyAdd(ref sums, next.D, next.E, next.F, from, Depth(half) / 2, half);
            Advance(ref at, shared, pass, copies);
            next.D = words[3 * Threads];
            next.E = words[4 * Threads];
            next.F = words[5 * Threads];
        }
    }

    /// <summary>A chunk that stays, if there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Stay(ref Sums sums, Piece piece, ref Position at, ArrayView<Float4> shared, GruStream pass, int copies, int zero, bool half)
    {
        if (at.Chunk < pass.Chunks)
        {
            ArrayView<Float4> from = Buffer(shared, at, half);
            MultiplyAdd(ref sums, Opaque(piece.A, zero, half), Opaque(piece.B, zero, half), Opaque(piece.C, zero, half), from, 0, half);
            CopyStates(shared, pass.ChunkFours - at.Buffer, at.From, Group.IdxX, pass, 0, copies / 2);
            if (half && copies > 2)
                Warp.Barrier(); // or the assembler decodes the whole piece first, for which there are no registers
            MultiplyAdd(ref sums, Opaque(piece.D, zero, half), Opaque(piece.E, zero, half), Opaque(piece.F, zero, half), from, Depth(half) / 2, half);
            Advance(ref at, shared, pass, copies);
        }
    }

    /// <summary>The same weights as something that the assembler cannot know before the frame: it would decode what stays in half precision once for all frames, into twice as many registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Float4 Opaque(Float4 words, int zero, bool half)
    {
        if (half)
            words = new Float4(Or(words.X, zero), Or(words.Y, zero), Or(words.Z, zero), Or(words.W, zero));
        return words;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Or(float word, int zero) => Interop.IntAsFloat(Interop.FloatAsInt(word) | (uint)zero);

    /// <summary>To the next chunk of states; behind the last one is one more that nobody uses. Nobody writes a buffer before all have passed the barrier behind the chunk that it held.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Advance(ref Position at, ArrayView<Float4> shared, GruStream pass, int copies)
    {
        at.Buffer = pass.ChunkFours - at.Buffer;
        CopyStates(shared, at.Buffer, at.From, Group.IdxX, pass, copies / 2, copies);
        at.From += pass.ChunkBytes;
        at.Chunk++;
        Group.Barrier();
    }

    /// <summary>The thread's slice of the states of the chunk.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ArrayView<Float4> Buffer(ArrayView<Float4> shared, Position at, bool half) => shared.SubView(at.Buffer + at.Slice, Depth(half) * Utterances / 4);

    /// <summary>Adds the products of half a piece.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums sums, Float4 a, Float4 b, Float4 c, ArrayView<Float4> states, int k, bool half)
    {
        if (half)
        {
            MultiplyAdd(ref sums, EightHalves.First(a), EightHalves.Second(a), EightHalves.First(b), states, k);
            MultiplyAdd(ref sums, EightHalves.Second(b), EightHalves.First(c), EightHalves.Second(c), states, k + 4);
        }
        else
        {
            MultiplyAdd(ref sums, a, b, c, states, k);
        }
    }

    /// <summary>Adds the products of four k: three outputs, eight utterances.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums sums, Float4 a, Float4 b, Float4 c, ArrayView<Float4> states, int k)
    {
        MultiplyAdd(ref sums, a.X, a.Y, a.Z, states[2 * k], states[2 * k + 1]);
        MultiplyAdd(ref sums, a.W, b.X, b.Y, states[2 * k + 2], states[2 * k + 3]);
        MultiplyAdd(ref sums, b.Z, b.W, c.X, states[2 * k + 4], states[2 * k + 5]);
        MultiplyAdd(ref sums, c.Y, c.Z, c.W, states[2 * k + 6], states[2 * k + 7]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(ref Sums sums, float w0, float w1, float w2, Float4 low, Float4 high)
    {
        sums.Low0 = Float4.MultiplyAdd(w0, low, sums.Low0);
        sums.Low1 = Float4.MultiplyAdd(w1, low, sums.Low1);
        sums.Low2 = Float4.MultiplyAdd(w2, low, sums.Low2);
        sums.High0 = Float4.MultiplyAdd(w0, high, sums.High0);
        sums.High1 = Float4.MultiplyAdd(w1, high, sums.High1);
        sums.High2 = Float4.MultiplyAdd(w2, high, sums.High2);
    }

    /// <summary>Three outputs, each of the utterances 0 to 3 and 4 to 7.</summary>
    internal struct Sums
    {
        public Float4 Low0, High0, Low1, High1, Low2, High2;
    }

    /// <summary>A thread's weights of a chunk.</summary>
    internal struct Piece
    {
        public Float4 A, B, C, D, E, F;
    }

    /// <summary>A thread's weights that stay in registers.</summary>
    internal struct Pieces
    {
        public Piece P0, P1, P2, P3, P4, P5;
    }

    /// <summary>How far a frame's product has come.</summary>
    internal struct Position
    {
        /// <summary>Where the thread's weights lie that are loaded, or on their way: the first of six words.</summary>
        public int Word;

        /// <summary>The chunk to multiply next.</summary>
        public int Chunk;

        /// <summary>The buffer that it lies in, in Float4.</summary>
        public int Buffer;

        /// <summary>In it, the thread's slice.</summary>
        public int Slice;

        /// <summary>Where the thread's part of the next chunk of states lies on the device.</summary>
        public long From;
    }
}
