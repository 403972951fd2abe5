using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product C = A Bᵀ where A or B has few rows: both are stored along k, so each element is a dot product and nothing is packed.</summary>
/// <remarks>
/// The operand with more rows, the long one, passes by once. Three of its rows meet four of the short one's at a time: twelve registers of partial sums
/// (a lane holds every <c>TLanes.Count</c>-th product), seven loads for twelve multiply-adds. The rows come in chunks: all short rows pass over one
/// while it lies in the first-level cache, and meanwhile ask for the next.
/// </remarks>
internal sealed unsafe class DotProduct<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int MaxRows = 64;
    private const int LongRows = 3;
    private const int ShortRows = 4;
    private const int MaxTask = 16 * LongRows;

    // Three long rows' chunks and four short ones', 14 KiB, and the next three fit the first-level cache.
    private const int Chunk = 512;

    private readonly int k, longRows, shortRows;
    private readonly float* longSide, shortSide, c, bias;
    private readonly nint longStep, shortStep, longC, shortC;
    private readonly float beta;
    private readonly bool biasOfLong;

    public DotProduct(int m, int n, int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
    {
        this.k = k;
        this.c = c;
        this.beta = beta;
        this.bias = bias;
        biasOfLong = m <= n;
        if (m <= n)
        {
            (longRows, longStep, longC, shortRows, shortStep, shortC) = (n, ldb, 1, m, lda, ldc);
            longSide = b;
            shortSide = a;
        }
        else
        {
            (longRows, longStep, longC, shortRows, shortStep, shortC) = (m, lda, ldc, n, ldb, 1);
            longSide = a;
            shortSide = b;
        }
    }

    /// <summary>Whether this is the way for such a product: with more rows on both sides packing pays.</summary>
    public static bool Fits(int m, int n, bool transposeA, bool transposeB) => !transposeA && transposeB && Math.Min(m, n) <= MaxRows;

    /// <summary>Computes it.</summary>
    public void Run(WorkerPool workers)
    {
        int task = Math.Min(MaxTask, Pieces(longRows, 4 * workers.Threads * LongRows) * LongRows);
        workers.For(Pieces(longRows, task), number =>
        {
            float* sums = stackalloc float[MaxRows * LongRows * TLanes.Count];
            int end = Math.Min(longRows, (number + 1) * task);
            for (int row = number * task; row < end; row += LongRows)
                Rows(row, Math.Min(LongRows, end - row), sums);
        });
    }

    // Up to three long rows against all short ones. Absent rows repeat the last one; their sums are not written.
    private void Rows(int row, int count, float* sums)
    {
        int whole = k / TLanes.Count * TLanes.Count, passes = Pieces(shortRows, ShortRows);
        new Span<float>(sums, passes * ShortRows * LongRows * TLanes.Count).Clear();
        float* long0 = longSide + row * longStep, long1 = long0 + Math.Min(1, count - 1) * longStep, long2 = long0 + (count - 1) * longStep;
        for (int p = 0; p < whole; p += Chunk)
        {
            // The next chunk lies further on in these rows, or begins the next three.
            int some = Math.Min(Chunk, whole - p);
            nint ahead = p + Chunk < whole ? Chunk : row + 2 * LongRows <= longRows ? LongRows * longStep - p : 0;
            for (int i = 0; i < shortRows; i += ShortRows)
            {
                float* short0 = shortSide + i * shortStep + p;
                int last = Math.Min(ShortRows, shortRows - i) - 1;
                Four(
                    some, long0 + p, long1 + p, long2 + p,
                    short0, short0 + Math.Min(1, last) * shortStep, short0 + Math.Min(2, last) * shortStep, short0 + last * shortStep,
                    sums + i * LongRows * TLanes.Count, ahead + i / ShortRows * (some / passes), TLanes.Count / passes);
            }
        }

        for (int i = 0; i < shortRows; i++)
            for (int j = 0; j < count; j++)
                Write(row + j, i, whole, sums + (i * LongRows + j) * TLanes.Count);
    }

    // s (short) by l (long): sums[s, l] += the products of their elements, lane by lane.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(
        nint length, float* l0, float* l1, float* l2, float* s0, float* s1, float* s2, float* s3, float* sums, nint ahead, nint aheadStep)
    {
        Load(sums, 0, out TLanes a0, out TLanes a1, out TLanes a2);
        Load(sums, 1, out TLanes b0, out TLanes b1, out TLanes b2);
        Load(sums, 2, out TLanes c0, out TLanes c1, out TLanes c2);
        Load(sums, 3, out TLanes d0, out TLanes d1, out TLanes d2);
        for (nint p = 0; p < length; p += TLanes.Count, ahead += aheadStep)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(l0 + ahead);
                Sse.Prefetch0(l1 + ahead);
                Sse.Prefetch0(l2 + ahead);
            }

            TLanes x0 = TLanes.Load(l0 + p), x1 = TLanes.Load(l1 + p), x2 = TLanes.Load(l2 + p);
            TLanes s = TLanes.Load(s0 + p);
            TLanes.AddProduct(ref a0, s, x0);
            TLanes.AddProduct(ref a1, s, x1);
            TLanes.AddProduct(ref a2, s, x2);
            s = TLanes.Load(s1 + p);
            TLanes.AddProduct(ref b0, s, x0);
            TLanes.AddProduct(ref b1, s, x1);
            TLanes.AddProduct(ref b2, s, x2);
            s = TLanes.Load(s2 + p);
            TLanes.AddProduct(ref c0, s, x0);
            TLanes.AddProduct(ref c1, s, x1);
            TLanes.AddProduct(ref c2, s, x2);
            s = TLanes.Load(s3 + p);
            TLanes.AddProduct(ref d0, s, x0);
            TLanes.AddProduct(ref d1, s, x1);
            TLanes.AddProduct(ref d2, s, x2);
        }

        Store(sums, 0, a0, a1, a2);
        Store(sums, 1, b0, b1, b2);
        Store(sums, 2, c0, c1, c2);
        Store(sums, 3, d0, d1, d2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* sums, int row, out TLanes x0, out TLanes x1, out TLanes x2)
    {
        sums += row * LongRows * TLanes.Count;
        x0 = TLanes.Load(sums);
        x1 = TLanes.Load(sums + TLanes.Count);
        x2 = TLanes.Load(sums + 2 * TLanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* sums, int row, TLanes x0, TLanes x1, TLanes x2)
    {
        sums += row * LongRows * TLanes.Count;
        x0.Store(sums);
        x1.Store(sums + TLanes.Count);
        x2.Store(sums + 2 * TLanes.Count);
    }

    // The lanes, then the products behind the last whole register.
    private void Write(int longRow, int shortRow, int whole, float* lanes)
    {
        float sum = TLanes.Load(lanes).Sum();
        float* x = longSide + longRow * longStep, y = shortSide + shortRow * shortStep;
        for (int p = whole; p < k; p++)
            sum = MathF.FusedMultiplyAdd(x[p], y[p], sum);
        if (bias is not null)
            sum += bias[biasOfLong ? longRow : shortRow];
        float* to = c + longRow * longC + shortRow * shortC;
        *to = beta == 0 ? sum : MathF.FusedMultiplyAdd(beta, *to, sum);
    }
}
