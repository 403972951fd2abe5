using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product C = A Bᵀ for a few rows of A: both are stored along k, so each element is a dot product and nothing is packed.</summary>
/// <remarks>
/// B is read once. A group of its rows is multiplied with four of A's rows at a time; the sums are vectors, each lane (element of a vector register) of which
/// sums every <c>TLanes.Count</c>-th product. The
/// rows are read in chunks: all rows of A are multiplied with one while it lies in the first-level cache. Each such pass prefetches the same chunk of the next
/// group into the second-level cache. The repetition is meant: the first pass waits for its own chunk, and the core drops a prefetch while all its
/// buffers for cache misses are taken.
/// </remarks>
internal sealed unsafe class DotProduct<TLanes>(int m, int n, int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int MaxRows = 64;
    private const int RowsA = 4;
    private const int MaxRowsB = 4;
    private const int GroupsPerTask = 16;

    // The chunks of four rows of B and four of A, 16 KiB, fit the first-level cache, the next group's rows the second-level one.
    private const int Chunk = 512;

    // With 32 registers four rows of B: eight loads for sixteen multiply-adds; with sixteen, three: seven for twelve.
    private static int RowsB
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] // A call in the loop would drive all sums out of their registers.
        get => TLanes.Count >= 16 ? MaxRowsB : 3;
    }

    /// <summary>Whether this is the way for such a product: with more rows packing B pays.</summary>
    public static bool Fits(int m, bool transposeA, bool transposeB) => !transposeA && transposeB && m <= MaxRows;

    /// <summary>Computes it.</summary>
    public void Run(WorkerPool workers)
    {
        int task = Math.Min(GroupsPerTask, Pieces(n, 4 * workers.Threads * RowsB)) * RowsB;
        workers.For(Pieces(n, task), number =>
        {
            float* sums = stackalloc float[MaxRows * MaxRowsB * TLanes.Count];
            int end = End(number, task, n);
            for (int row = number * task, some; row < end; row += some)
            {
                some = Math.Min(RowsB, end - row);
                Group(row, some, sums);
            }
        });
    }

    // A group of rows of B times all rows of A. Where a group or the last four rows of A are not complete, the last row stands in for those missing. Sums of
    // rows that do not exist are not written.
    private void Group(int row, int count, float* sums)
    {
        int whole = k / TLanes.Count * TLanes.Count;
        new Span<float>(sums, Up(m, RowsA) * RowsB * TLanes.Count).Clear();
        float* row0 = b + row * ldb, row1 = row0 + Math.Min(1, count - 1) * ldb, row2 = row0 + Math.Min(2, count - 1) * ldb, row3 = row0 + (count - 1) * ldb;
        nint ahead = n - row >= 2 * RowsB ? RowsB * ldb : 0;
        for (int p = 0, some; p < whole; p += some)
        {
            some = Math.Min(Chunk, whole - p);
            for (int i = 0; i < m; i += RowsA)
            {
                float* left = a + i * lda + p;
                int last = Math.Min(RowsA, m - i) - 1;
                Four(
                    some, row0 + p, row1 + p, row2 + p, row3 + p,
                    left, left + Math.Min(1, last) * lda, left + Math.Min(2, last) * lda, left + last * lda,
                    sums + i * RowsB * TLanes.Count, ahead);
            }
        }

        for (int i = 0; i < m; i++)
            for (int j = 0; j < count; j++)
                Write(i, row + j, whole, sums + (i * RowsB + j) * TLanes.Count);
    }

    // sums[a, b] += the products of four rows of A with a group of B's, lane by lane.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(
        nint length, float* b0, float* b1, float* b2, float* b3, float* a0, float* a1, float* a2, float* a3, float* sums, nint ahead)
    {
        Load(sums, 0, out TLanes s00, out TLanes s01, out TLanes s02, out TLanes s03);
        Load(sums, 1, out TLanes s10, out TLanes s11, out TLanes s12, out TLanes s13);
        Load(sums, 2, out TLanes s20, out TLanes s21, out TLanes s22, out TLanes s23);
        Load(sums, 3, out TLanes s30, out TLanes s31, out TLanes s32, out TLanes s33);
        for (nint p = 0; p < length; p += TLanes.Count)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(b0 + ahead + p);
                Sse.Prefetch1(b1 + ahead + p);
                Sse.Prefetch1(b2 + ahead + p);
                if (RowsB > 3)
                    Sse.Prefetch1(b3 + ahead + p);
            }

            TLanes y0 = TLanes.Load(b0 + p), y1 = TLanes.Load(b1 + p), y2 = TLanes.Load(b2 + p), y3 = RowsB > 3 ? TLanes.Load(b3 + p) : default;
            AddProducts(TLanes.Load(a0 + p), y0, y1, y2, y3, ref s00, ref s01, ref s02, ref s03);
            AddProducts(TLanes.Load(a1 + p), y0, y1, y2, y3, ref s10, ref s11, ref s12, ref s13);
            AddProducts(TLanes.Load(a2 + p), y0, y1, y2, y3, ref s20, ref s21, ref s22, ref s23);
            AddProducts(TLanes.Load(a3 + p), y0, y1, y2, y3, ref s30, ref s31, ref s32, ref s33);
        }

        Store(sums, 0, s00, s01, s02, s03);
        Store(sums, 1, s10, s11, s12, s13);
        Store(sums, 2, s20, s21, s22, s23);
        Store(sums, 3, s30, s31, s32, s33);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddProducts(TLanes x, TLanes y0, TLanes y1, TLanes y2, TLanes y3, ref TLanes s0, ref TLanes s1, ref TLanes s2, ref TLanes s3)
    {
        TLanes.AddProduct(ref s0, x, y0);
        TLanes.AddProduct(ref s1, x, y1);
        TLanes.AddProduct(ref s2, x, y2);
        if (RowsB > 3)
            TLanes.AddProduct(ref s3, x, y3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* sums, int row, out TLanes x0, out TLanes x1, out TLanes x2, out TLanes x3)
    {
        sums += row * RowsB * TLanes.Count;
        x0 = TLanes.Load(sums);
        x1 = TLanes.Load(sums + TLanes.Count);
        x2 = TLanes.Load(sums + 2 * TLanes.Count);
        x3 = RowsB > 3 ? TLanes.Load(sums + 3 * TLanes.Count) : default;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* sums, int row, TLanes x0, TLanes x1, TLanes x2, TLanes x3)
    {
        sums += row * RowsB * TLanes.Count;
        x0.Store(sums);
        x1.Store(sums + TLanes.Count);
        x2.Store(sums + 2 * TLanes.Count);
        if (RowsB > 3)
            x3.Store(sums + 3 * TLanes.Count);
    }

    // The lanes, then the products behind the last whole register.
    private void Write(int i, int j, int whole, float* lanes)
    {
        float sum = TLanes.Load(lanes).Sum();
        float* x = a + i * lda, y = b + j * ldb, to = c + i * ldc + j;
        for (int p = whole; p < k; p++)
            sum = MathF.FusedMultiplyAdd(x[p], y[p], sum);
        if (bias is not null)
            sum += bias[j];
        *to = beta == 0 ? sum : MathF.FusedMultiplyAdd(beta, *to, sum);
    }
}
