using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The product of a few rows with a wide, packed matrix: what a recurrence does once a frame.</summary>
/// <remarks>
/// The matrix is packed in panels of three registers' width; a panel holds its columns' elements of the first row, then of the second, and so on, so that
/// it is read from end to end. Eight rows by three registers are the 24 accumulators that 32 registers have room for, four rows by three
/// the 12 of 16. A panel is read in chunks: all rows are multiplied with one while it lies in the first-level cache, and meanwhile prefetch later ones, so that
/// memory and arithmetic never wait for one another.
/// </remarks>
internal static unsafe class SkinnyProduct<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>The rows that one call may have.</summary>
    public const int MaxRows = 32;

    private const int LineFloats = 16;

    /// <summary>The columns of a panel.</summary>
    public static int Width => 3 * TLanes.Count;

    // 12 KiB: a chunk and the rows' parts fit a first-level cache of 32 KiB.
    private const int ChunkFloats = 3072;

    /// <summary>The fp32 elements that <see cref="Multiply(float**, int, int, uint*, uint*, float*, float*)"/> widens a panel's part into.</summary>
    public static int WidenedLength => ChunkFloats;

    private static int Chunk => ChunkFloats / Width;

    // Only the widest registers come in a set of 32.
    private static int PassRows => TLanes.Count == Lanes512.Count ? 8 : 4;

    /// <summary>result[i, j] = sum over p of rows[i][p] panel[p, j], summed in order.</summary>
    /// <param name="rows">Where each row begins.</param>
    /// <param name="count">Rows, 1..<see cref="MaxRows"/>.</param>
    /// <param name="length">Elements of a row; 0 gives zeros.</param>
    /// <param name="panel">[length, Width].</param>
    /// <param name="next">The panel that the caller needs next.</param>
    /// <param name="result">[MaxRows, Width]; rows from count on are undefined.</param>
    public static void Multiply(float** rows, int count, int length, float* panel, float* next, float* result)
    {
        int passes = Clear(count, result);
        for (int start = 0, some; start < length; start += some)
        {
            some = Math.Min(Chunk, length - start);
            float* chunk = panel + (nint)start * Width;
            float* ahead = length - start > Chunk ? chunk + Chunk * Width : next;
            AddChunk(rows, count, start, some, chunk, ahead, Width / passes, result);
        }
    }

    /// <summary>The same with a panel in half precision: each chunk is widened once, for all rows.</summary>
    /// <param name="rows">Where each row begins.</param>
    /// <param name="count">Rows, 1..<see cref="MaxRows"/>.</param>
    /// <param name="length">Elements of a row; 0 gives zeros.</param>
    /// <param name="panel">[length / 2 rounded up, Width], words of two halves: those of an even row and of the next one. Behind an odd length zeros follow.</param>
    /// <param name="next">The panel that the caller needs next.</param>
    /// <param name="widened">Scratch, <see cref="WidenedLength"/>.</param>
    /// <param name="result">[MaxRows, Width]; rows from count on are undefined.</param>
    public static void Multiply(float** rows, int count, int length, uint* panel, uint* next, float* widened, float* result)
    {
        int passes = Clear(count, result);
        for (int start = 0, some; start < length; start += some)
        {
            some = Math.Min(Chunk, length - start);
            uint* words = panel + (nint)start / 2 * Width;
            uint* ahead = length - start > Chunk ? words + Chunk / 2 * Width : next;
            HalfPrecision.Widen(words, Pieces(some, 2), Width, widened);
            AddChunk(rows, count, start, some, widened, (float*)ahead, Width / 2 / passes, result);
        }
    }

    /// <summary>The same for a single row and a panel whose numbers are all finite: they are widened in registers, and nothing is written on the way.</summary>
    /// <param name="scaled">The row times <see cref="HalfPrecision.Scale"/>, with a zero behind an odd length.</param>
    /// <param name="length">Elements of the row; 0 gives zeros.</param>
    /// <param name="panel">As above.</param>
    /// <param name="next">The panel that the caller needs next.</param>
    /// <param name="result">[Width].</param>
    public static void Multiply(float* scaled, int length, uint* panel, uint* next, float* result)
    {
        Clear(1, result);
        int pairs = Pieces(length, 2);
        for (int start = 0, some; start < pairs; start += some)
        {
            some = Math.Min(Chunk, pairs - start);
            uint* words = panel + (nint)start * Width;
            OneOfHalves(scaled + 2 * start, some, words, result, pairs - start > Chunk ? words + Chunk * Width : next);
        }
    }

    private static int Clear(int count, float* result)
    {
        int passes = Pieces(count, PassRows);
        new Span<float>(result, passes * PassRows * Width).Clear();
        return passes;
    }

    // A pass multiplies one row or PassRows. Where there are fewer, the last one stands in for those missing: their sums land in rows of the result that
    // nobody reads.
    private static void AddChunk(float** rows, int count, int start, int some, float* chunk, float* ahead, nint aheadStep, float* result)
    {
        for (int i = 0; i < count; i += PassRows, ahead += some * aheadStep)
        {
            float** r = rows + i;
            int last = Math.Min(count - i, PassRows) - 1;
            if (last == 0)
                One(r[0] + start, some, chunk, result + i * Width, ahead, aheadStep);
            else if (last >= 4)
                Eight(
                    r[0] + start, r[1] + start, r[2] + start, r[3] + start, r[4] + start,
                    r[Math.Min(5, last)] + start, r[Math.Min(6, last)] + start, r[last] + start, some, chunk, result + i * Width, ahead, aheadStep);
            else
                Four(
                    r[0] + start, r[Math.Min(1, last)] + start, r[Math.Min(2, last)] + start, r[last] + start,
                    some, chunk, result + i * Width, ahead, aheadStep);
        }
    }

    // Its three chains of sums wait for one another's latency, four cycles a step; of four rows the step takes eight, most of them for rows that are not there.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(float* row, nint length, float* panel, float* result, float* ahead, nint aheadStep)
    {
        Load(result, out TLanes a0, out TLanes a1, out TLanes a2);
        for (nint p = 0; p < length; p++, panel += Width, ahead += aheadStep)
        {
            if (Sse.IsSupported)
                PrefetchRow(ahead + (TLanes.Count < Lanes512.Count ? 0 : 2 * ChunkFloats));
            TLanes h = TLanes.All(row[p]);
            TLanes.AddProduct(ref a0, h, TLanes.Load(panel));
            TLanes.AddProduct(ref a1, h, TLanes.Load(panel + TLanes.Count));
            TLanes.AddProduct(ref a2, h, TLanes.Load(panel + 2 * TLanes.Count));
        }

        Store(result, a0, a1, a2);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneOfHalves(float* row, nint pairs, uint* panel, float* result, uint* ahead)
    {
        Load(result, out TLanes a0, out TLanes a1, out TLanes a2);
        for (nint p = 0; p < pairs; p++, panel += Width, ahead += Width)
        {
            if (Sse.IsSupported)
                PrefetchRow((float*)ahead + (TLanes.Count < Lanes512.Count ? 0 : ChunkFloats));
            TLanes.LoadHalves(panel, out TLanes u0, out TLanes v0);
            TLanes.LoadHalves(panel + TLanes.Count, out TLanes u1, out TLanes v1);
            TLanes.LoadHalves(panel + 2 * TLanes.Count, out TLanes u2, out TLanes v2);
            TLanes h = TLanes.All(row[2 * p]);
            TLanes.AddProduct(ref a0, h, u0);
            TLanes.AddProduct(ref a1, h, u1);
            TLanes.AddProduct(ref a2, h, u2);
            h = TLanes.All(row[2 * p + 1]);
            TLanes.AddProduct(ref a0, h, v0);
            TLanes.AddProduct(ref a1, h, v1);
            TLanes.AddProduct(ref a2, h, v2);
        }

        Store(result, a0, a1, a2);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(float* r0, float* r1, float* r2, float* r3, nint length, float* panel, float* result, float* ahead, nint aheadStep)
    {
        Load(result, out TLanes a0, out TLanes a1, out TLanes a2);
        Load(result + Width, out TLanes b0, out TLanes b1, out TLanes b2);
        Load(result + 2 * Width, out TLanes c0, out TLanes c1, out TLanes c2);
        Load(result + 3 * Width, out TLanes d0, out TLanes d1, out TLanes d2);
        for (nint p = 0; p < length; p++, panel += Width, ahead += aheadStep)
        {
            Prefetch(ahead);
            TLanes u0 = TLanes.Load(panel), u1 = TLanes.Load(panel + TLanes.Count), u2 = TLanes.Load(panel + 2 * TLanes.Count);
            TLanes h = TLanes.All(r0[p]);
            TLanes.AddProduct(ref a0, h, u0);
            TLanes.AddProduct(ref a1, h, u1);
            TLanes.AddProduct(ref a2, h, u2);
            h = TLanes.All(r1[p]);
            TLanes.AddProduct(ref b0, h, u0);
            TLanes.AddProduct(ref b1, h, u1);
            TLanes.AddProduct(ref b2, h, u2);
            h = TLanes.All(r2[p]);
            TLanes.AddProduct(ref c0, h, u0);
            TLanes.AddProduct(ref c1, h, u1);
            TLanes.AddProduct(ref c2, h, u2);
            h = TLanes.All(r3[p]);
            TLanes.AddProduct(ref d0, h, u0);
            TLanes.AddProduct(ref d1, h, u1);
            TLanes.AddProduct(ref d2, h, u2);
        }

        Store(result, a0, a1, a2);
        Store(result + Width, b0, b1, b2);
        Store(result + 2 * Width, c0, c1, c2);
        Store(result + 3 * Width, d0, d1, d2);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Eight(
        float* r0, float* r1, float* r2, float* r3, float* r4, float* r5, float* r6, float* r7, nint length, float* panel, float* result, float* ahead, nint aheadStep)
    {
        Load(result, out TLanes a0, out TLanes a1, out TLanes a2);
        Load(result + Width, out TLanes b0, out TLanes b1, out TLanes b2);
        Load(result + 2 * Width, out TLanes c0, out TLanes c1, out TLanes c2);
        Load(result + 3 * Width, out TLanes d0, out TLanes d1, out TLanes d2);
        Load(result + 4 * Width, out TLanes e0, out TLanes e1, out TLanes e2);
        Load(result + 5 * Width, out TLanes f0, out TLanes f1, out TLanes f2);
        Load(result + 6 * Width, out TLanes g0, out TLanes g1, out TLanes g2);
        Load(result + 7 * Width, out TLanes h0, out TLanes h1, out TLanes h2);
        for (nint p = 0; p < length; p++, panel += Width, ahead += aheadStep)
        {
            Prefetch(ahead);
            TLanes u0 = TLanes.Load(panel), u1 = TLanes.Load(panel + TLanes.Count), u2 = TLanes.Load(panel + 2 * TLanes.Count);
            TLanes x = TLanes.All(r0[p]);
            TLanes.AddProduct(ref a0, x, u0);
            TLanes.AddProduct(ref a1, x, u1);
            TLanes.AddProduct(ref a2, x, u2);
            x = TLanes.All(r1[p]);
            TLanes.AddProduct(ref b0, x, u0);
            TLanes.AddProduct(ref b1, x, u1);
            TLanes.AddProduct(ref b2, x, u2);
            x = TLanes.All(r2[p]);
            TLanes.AddProduct(ref c0, x, u0);
            TLanes.AddProduct(ref c1, x, u1);
            TLanes.AddProduct(ref c2, x, u2);
            x = TLanes.All(r3[p]);
            TLanes.AddProduct(ref d0, x, u0);
            TLanes.AddProduct(ref d1, x, u1);
            TLanes.AddProduct(ref d2, x, u2);
            x = TLanes.All(r4[p]);
            TLanes.AddProduct(ref e0, x, u0);
            TLanes.AddProduct(ref e1, x, u1);
            TLanes.AddProduct(ref e2, x, u2);
            x = TLanes.All(r5[p]);
            TLanes.AddProduct(ref f0, x, u0);
            TLanes.AddProduct(ref f1, x, u1);
            TLanes.AddProduct(ref f2, x, u2);
            x = TLanes.All(r6[p]);
            TLanes.AddProduct(ref g0, x, u0);
            TLanes.AddProduct(ref g1, x, u1);
            TLanes.AddProduct(ref g2, x, u2);
            x = TLanes.All(r7[p]);
            TLanes.AddProduct(ref h0, x, u0);
            TLanes.AddProduct(ref h1, x, u1);
            TLanes.AddProduct(ref h2, x, u2);
        }

        Store(result, a0, a1, a2);
        Store(result + Width, b0, b1, b2);
        Store(result + 2 * Width, c0, c1, c2);
        Store(result + 3 * Width, d0, d1, d2);
        Store(result + 4 * Width, e0, e1, e2);
        Store(result + 5 * Width, f0, f1, f2);
        Store(result + 6 * Width, g0, g1, g2);
        Store(result + 7 * Width, h0, h1, h2);
    }

    // A row of the panel is up to three cache lines long. The core drops a prefetch while all its buffers for cache misses are taken, so each line is prefetched several times: from
    // three chunks ahead on where the loads leave room for that, else by passes that overlap.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* ahead)
    {
        if (!Sse.IsSupported)
            return;
        PrefetchRow(ahead);
        if (TLanes.Count < Lanes512.Count)
            return;
        PrefetchRow(ahead + ChunkFloats);
        PrefetchRow(ahead + 2 * ChunkFloats);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchRow(float* row)
    {
        Sse.Prefetch1(row);
        if (Width > LineFloats)
            Sse.Prefetch1(row + LineFloats);
        if (Width > 2 * LineFloats)
            Sse.Prefetch1(row + 2 * LineFloats);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* row, out TLanes first, out TLanes second, out TLanes third)
    {
        first = TLanes.Load(row);
        second = TLanes.Load(row + TLanes.Count);
        third = TLanes.Load(row + 2 * TLanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* row, TLanes first, TLanes second, TLanes third)
    {
        first.Store(row);
        second.Store(row + TLanes.Count);
        third.Store(row + 2 * TLanes.Count);
    }
}
