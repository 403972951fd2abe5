using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product C = A Bᵀ for a few rows of A: both are stored along k, so each element is a dot product and nothing is packed.</summary>
/// <remarks>
/// B passes by once. Three of its rows meet four of A's at a time: twelve registers of partial sums (a lane holds every <c>TLanes.Count</c>-th product),
/// seven loads for twelve multiply-adds. The rows come in chunks: all rows of A pass over one while it lies in the first-level cache, and meanwhile ask
/// for the next, as something that is needed once.
/// </remarks>
internal sealed unsafe class DotProduct<TLanes>(int m, int n, int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int MaxRows = 64;
    private const int RowsA = 4;
    private const int RowsB = 3;
    private const int MaxTask = 16 * RowsB;

    // The chunks of three rows of B and four of A, 14 KiB, and of the next three of B fit the first-level cache.
    private const int Chunk = 512;

    /// <summary>Whether this is the way for such a product: with more rows packing B pays.</summary>
    public static bool Fits(int m, bool transposeA, bool transposeB) => !transposeA && transposeB && m <= MaxRows;

    /// <summary>Computes it.</summary>
    public void Run(WorkerPool workers)
    {
        int task = Math.Min(MaxTask, Pieces(n, 4 * workers.Threads * RowsB) * RowsB);
        workers.For(Pieces(n, task), number =>
        {
            float* sums = stackalloc float[MaxRows * RowsB * TLanes.Count];
            int end = Math.Min(n, (number + 1) * task);
            for (int row = number * task; row < end; row += RowsB)
                Rows(row, Math.Min(RowsB, end - row), sums);
        });
    }

    // Up to three rows of B against all of A. Absent rows repeat the last one; their sums are not written.
    private void Rows(int row, int count, float* sums)
    {
        int whole = k / TLanes.Count * TLanes.Count, passes = Pieces(m, RowsA);
        new Span<float>(sums, passes * RowsA * RowsB * TLanes.Count).Clear();
        float* row0 = b + row * ldb, row1 = row0 + Math.Min(1, count - 1) * ldb, row2 = row0 + (count - 1) * ldb;
        for (int p = 0; p < whole; p += Chunk)
        {
            // The next chunk lies further on in these rows, or begins the next three.
            int some = Math.Min(Chunk, whole - p);
            nint ahead = p + Chunk < whole ? Chunk : row + 2 * RowsB <= n ? RowsB * ldb - p : 0;
            for (int i = 0; i < m; i += RowsA)
            {
                float* left = a + i * lda + p;
                int last = Math.Min(RowsA, m - i) - 1;
                Four(
                    some, row0 + p, row1 + p, row2 + p,
                    left, left + Math.Min(1, last) * lda, left + Math.Min(2, last) * lda, left + last * lda,
                    sums + i * RowsB * TLanes.Count, ahead + i / RowsA * (some / passes), TLanes.Count / passes);
            }
        }

        for (int i = 0; i < m; i++)
            for (int j = 0; j < count; j++)
                Write(i, row + j, whole, sums + (i * RowsB + j) * TLanes.Count);
    }

    // sums[a, b] += the products of four rows of A with three of B, lane by lane.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(
        nint length, float* b0, float* b1, float* b2, float* a0, float* a1, float* a2, float* a3, float* sums, nint ahead, nint aheadStep)
    {
        Load(sums, 0, out TLanes s00, out TLanes s01, out TLanes s02);
        Load(sums, 1, out TLanes s10, out TLanes s11, out TLanes s12);
        Load(sums, 2, out TLanes s20, out TLanes s21, out TLanes s22);
        Load(sums, 3, out TLanes s30, out TLanes s31, out TLanes s32);
        for (nint p = 0; p < length; p += TLanes.Count, ahead += aheadStep)
        {
            if (Sse.IsSupported)
            {
                Sse.PrefetchNonTemporal(b0 + ahead);
                Sse.PrefetchNonTemporal(b1 + ahead);
                Sse.PrefetchNonTemporal(b2 + ahead);
            }

            TLanes y0 = TLanes.Load(b0 + p), y1 = TLanes.Load(b1 + p), y2 = TLanes.Load(b2 + p);
            TLanes x = TLanes.Load(a0 + p);
            TLanes.AddProduct(ref s00, x, y0);
            TLanes.AddProduct(ref s01, x, y1);
            TLanes.AddProduct(ref s02, x, y2);
            x = TLanes.Load(a1 + p);
            TLanes.AddProduct(ref s10, x, y0);
            TLanes.AddProduct(ref s11, x, y1);
            TLanes.AddProduct(ref s12, x, y2);
            x = TLanes.Load(a2 + p);
            TLanes.AddProduct(ref s20, x, y0);
            TLanes.AddProduct(ref s21, x, y1);
            TLanes.AddProduct(ref s22, x, y2);
            x = TLanes.Load(a3 + p);
            TLanes.AddProduct(ref s30, x, y0);
            TLanes.AddProduct(ref s31, x, y1);
            TLanes.AddProduct(ref s32, x, y2);
        }

        Store(sums, 0, s00, s01, s02);
        Store(sums, 1, s10, s11, s12);
        Store(sums, 2, s20, s21, s22);
        Store(sums, 3, s30, s31, s32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* sums, int row, out TLanes x0, out TLanes x1, out TLanes x2)
    {
        sums += row * RowsB * TLanes.Count;
        x0 = TLanes.Load(sums);
        x1 = TLanes.Load(sums + TLanes.Count);
        x2 = TLanes.Load(sums + 2 * TLanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* sums, int row, TLanes x0, TLanes x1, TLanes x2)
    {
        sums += row * RowsB * TLanes.Count;
        x0.Store(sums);
        x1.Store(sums + TLanes.Count);
        x2.Store(sums + 2 * TLanes.Count);
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
