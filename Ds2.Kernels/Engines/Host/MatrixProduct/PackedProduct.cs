using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product for operands that are used many times each: B, and A where that pays, are packed part by part, then multiplied from cache.</summary>
/// <remarks>
/// C is cut into blocks. A worker computes a block alone and packs for it by itself, so that nobody waits, and no panel comes from another core's cache: where
/// two cores share no third-level cache, packing into lines that the other has read takes five times as long. A panel is packed anew for each block that
/// needs it; <see cref="Cut"/> weighs that.
/// An element's sum runs over the slices of K in order, whoever computes it.
/// Source: Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008;
/// Van Zee, van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", ACM TOMS 41(3), 2015.
/// </remarks>
internal sealed unsafe class PackedProduct<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    // A slice of a panel of B (384 x 16 floats, 24 KiB, with AVX2) stays in the first-level cache while all panels of A are multiplied with it, or one of A (384 x 12, 18 KiB, with AVX-512) while
    // panels of B do; a longer slice moves C less often.
    private const int MaxK = 384;
    private const int FirstLevelCache = 32 << 10;

    // A worker's parts of A and B at a time (288 and 384 KiB) stay in the second-level cache.
    private const int PartM = 192;
    private const int PartN = 256;

    // A block's packed part of A, 1.7 MB at most, waits in the third-level cache for the next columns.
    private const int MaxM = 1152;
    private const int MaxN = 1280;

    // Rows of A are read where they lie, not packed, if a panel stays in the first-level cache, or is read for no more columns of C than this; unless they lie
    // so far apart that they would drive one another out of that cache.
    private const int MaxDirectN = 1024;
    private const int SameSet = 1024;

    // What an element of a panel costs, in multiply-adds of one of its rows: to pack it, and to fetch it from where it lies.
    private const int PackingCost = 16;
    private const int FetchingCost = 4;

    // Rows of panels that are packed in one go: where they lie side by side in memory, several cache lines of each k. A multiple of every panel's width.
    private const int PackRows = 96;

    private readonly int m, n, k;
    private readonly bool transposeA, transposeB;
    private readonly float* a, b, c, bias;
    private readonly nint lda, ldb, ldc;
    private readonly float beta;

    private readonly float* packing;
    private readonly bool keepsA, packsA;
    private readonly int blocksM, blockM, blocksN, blockN, slice;

    public PackedProduct(
        WorkerPool workers, int m, int n, int k, bool transposeA, bool transposeB,
        float* a, int lda, float* b, int ldb, float* c, int ldc, float beta, float* bias)
    {
        (this.m, this.n, this.k, this.transposeA, this.transposeB) = (m, n, k, transposeA, transposeB);
        (this.lda, this.ldb, this.ldc, this.beta) = (lda, ldb, ldc, beta);
        this.a = a;
        this.b = b;
        this.c = c;
        this.bias = bias;
        slice = Up(Pieces(k, Pieces(k, MaxK)), TileKernel<TLanes>.Unroll);
        keepsA = slice * Columns * sizeof(float) > FirstLevelCache;
        packsA = transposeA || lda % SameSet == 0 || (!keepsA && n > MaxDirectN);
        (blockM, blockN) = Cut(workers.Threads);
        (blocksM, blocksN) = (Pieces(m, blockM), Pieces(n, blockN));
        packing = workers.Scratch(workers.Threads * Panels);
    }

    private static int Rows => TileKernel<TLanes>.Rows;

    private static int Columns => TileKernel<TLanes>.Columns;

    // A worker's memory: the packed parts of A and B.
    private nint Panels => ((nint)(packsA ? blockM : 0) + PartN) * MaxK;

    /// <summary>Computes it.</summary>
    public void Run(WorkerPool workers) => workers.For(blocksM * blocksN, Block);

    // The size of the blocks, in whole tiles, with which all are done first: few enough that little is packed more than once, enough to keep every worker busy.
    private (int Rows, int Columns) Cut(int threads)
    {
        (int Rows, int Columns) best = default;
        double least = double.MaxValue;
        int across = packsA ? PackingCost : FetchingCost;
        int leastM = packsA ? Pieces(m, MaxM) : 1, leastN = Pieces(n, packsA ? MaxN : PartN);
        for (int i = leastM; i < leastM + 2 * threads; i++)
        {
            // As many blocks beside one another as the workers compute in the same number of rounds; then in one more.
            int rounds = Pieces(i * leastN, threads);
            for (int more = 0; more < 2; more++)
            {
                int rows = Up(Pieces(m, i), Rows), columns = Up(Pieces(n, (rounds + more) * threads / i), Columns);
                double cost = (double)Pieces(Pieces(m, rows) * Pieces(n, columns), threads) * ((double)rows * columns + across * rows + PackingCost * columns);
                if (cost < least)
                    (least, best) = (cost, (rows, columns));
            }
        }

        return best;
    }

    private void Block(int worker, int number)
    {
        int i0 = number % blocksM * blockM, j0 = number / blocksM * blockN;
        int i1 = i0 + Math.Min(blockM, m - i0), j1 = j0 + Math.Min(blockN, n - j0);
        float* panelsB = packing + worker * Panels, panelsA = panelsB + PartN * MaxK;
        for (int p = 0, depth; p < k; p += depth)
        {
            depth = Math.Min(slice, k - p);
            for (int j = j0, columns; j < j1; j += columns)
            {
                columns = Math.Min(PartN, j1 - j);
                Pack(b + (transposeB ? j * ldb + p : p * ldb + j), ldb, !transposeB, columns, Columns, depth, panelsB);
                for (int i = i0, rows; i < i1; i += rows)
                {
                    rows = Math.Min(PartM, i1 - i);
                    var part = new Part { Row = i, Column = j, Depth = p, M = rows, N = columns, K = depth, B = panelsB };
                    if (packsA)
                    {
                        part.A = panelsA + (nint)(i - i0) * depth;
                        part.NextA = Rows * depth;
                        if (j == j0)
                            Pack(a + (transposeA ? p * lda + i : i * lda + p), lda, transposeA, rows, Rows, depth, part.A);
                        Multiply<PackedLeft>(part);
                    }
                    else
                    {
                        part.A = a + i * lda + p;
                        part.NextA = Rows * lda;
                        Multiply<RowsLeft>(part);
                    }
                }
            }
        }
    }

    private static void Pack(float* source, nint stride, bool across, int length, int width, int depth, float* target)
    {
        for (int start = 0; start < length; start += PackRows)
        {
            int end = Math.Min(length, start + PackRows);
            if (across)
                Packing.Across(source + start, stride, end - start, width, depth, target + (nint)start * depth);
            else
                for (int i = start; i < end; i += width)
                    Packing.Along(source + i * stride, stride, Math.Min(width, end - i), width, depth, target + (nint)i * depth);
        }
    }

    // One panel stays in the first-level cache while all of the other operand's are multiplied with it: A's where B's is too large for that, and only there: written row by row, C can take
    // twice as long where little is summed.
    private void Multiply<TLeft>(in Part part)
        where TLeft : struct, ILeftLayout
    {
        if (keepsA)
            for (int i = 0; i < part.M; i += Rows)
                TilesBeside<TLeft>(part, i, Math.Min(Rows, part.M - i));
        else
            for (int j = 0; j < part.N; j += Columns)
                TilesBelow<TLeft>(part, j, Math.Min(Columns, part.N - j));
    }

    // A panel of A times all panels of B, each of which prefetches the one after it.
    private void TilesBeside<TLeft>(in Part part, int i, int rows)
        where TLeft : struct, ILeftLayout
    {
        int tiles = part.N / Columns, rest = part.N % Columns;
        nint next = (nint)Columns * part.K;
        float* panelA = part.A + i / Rows * part.NextA, panelB = part.B;
        Tile.Multiply<TLanes, TLeft>(
            tiles, rows, part.K, panelA, lda, 0, panelB, Columns, next, Target(part, i, 0), ldc, Columns, Factor(part), Added(part, 0), panelB + next, Columns);
        if (rest > 0)
            Tile.MultiplyPart<TLanes, TLeft>(
                rows, rest, part.K, panelA, lda, panelB + tiles * next, Columns, Target(part, i, part.N - rest), ldc, Factor(part), Added(part, part.N - rest),
                panelA + part.NextA, Rows);
    }

    // A panel of B times all panels of A, each of which prefetches the one after it.
    private void TilesBelow<TLeft>(in Part part, int j, int columns)
        where TLeft : struct, ILeftLayout
    {
        int tiles = part.M / Rows, rest = part.M % Rows;
        float* panelA = part.A, panelB = part.B + (nint)j * part.K;
        if (columns < Columns)
        {
            for (int i = 0; i < part.M; i += Rows, panelA += part.NextA)
                Tile.MultiplyPart<TLanes, TLeft>(
                    Math.Min(Rows, part.M - i), columns, part.K, panelA, lda, panelB, Columns, Target(part, i, j), ldc, Factor(part), Added(part, j),
                    panelA + part.NextA, Rows);
            return;
        }

        Tile.Multiply<TLanes, TLeft>(
            tiles, Rows, part.K, panelA, lda, part.NextA, panelB, Columns, 0, Target(part, 0, j), ldc, Rows * ldc, Factor(part), Added(part, j),
            panelA + part.NextA, Rows);
        if (rest > 0)
            Tile.Multiply<TLanes, TLeft>(
                rest, part.K, panelA + tiles * part.NextA, lda, panelB, Columns, Target(part, part.M - rest, j), ldc, Factor(part), Added(part, j),
                panelB, 0);
    }

    private float* Target(in Part part, int i, int j) => c + (part.Row + i) * ldc + part.Column + j;

    // The first slice brings C's old value and the bias, the others add to it.
    private float Factor(in Part part) => part.Depth == 0 ? beta : 1;

    private float* Added(in Part part, int j) => part.Depth == 0 && bias is not null ? bias + part.Column + j : null;

    /// <summary>What is multiplied from the second-level cache: rows of A, columns of B, a slice of K.</summary>
    private struct Part
    {
        public nint Row, Column, Depth, NextA;
        public int M, N, K;
        public float* A, B;
    }
}
