using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product for a few rows of A and a B stored by rows: B is read once, where it lies, and nothing is packed.</summary>
/// <remarks>
/// A task owns a stripe of columns. It goes down B in blocks that have as many rows as the stripe has tiles: while all rows of A are multiplied with tile t, row t of the
/// next block is prefetched, from end to end, for memory is fastest in order. A narrow stripe has higher blocks instead, so that C comes and goes less often, and leaves
/// its few cache lines of each row to the hardware. An element's sum runs down the blocks in order.
/// </remarks>
internal sealed unsafe class StreamedProduct<TLanes>(
    int m, int n, int k, bool transposeA, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int MaxRows = 64;

    // Two blocks of 48 rows by 48 tiles, 144 KiB each with AVX2, share the second-level cache.
    private const int MaxTiles = 48;

    // A stripe of fewer tiles is narrow; its blocks are as large as the widest stripe's, but no higher than this.
    private const int MinTiles = 32;
    private const int MaxRowsOfBlock = 256;

    private static int Columns => TileKernel<TLanes>.Columns;

    /// <summary>Whether this is the way for such a product: for more rows packing B pays.</summary>
    public static bool Fits(int m, bool transposeB) => !transposeB && m <= MaxRows;

    /// <summary>Computes it.</summary>
    public void Run(WorkerPool workers)
    {
        int stripe = Math.Min(MaxTiles, Pieces(n, workers.Threads * Columns)) * Columns;
        workers.For(Pieces(n, stripe), task => Stripe(task * stripe, End(task, stripe, n)));
    }

    private void Stripe(int first, int end)
    {
        int tiles = Pieces(end - first, Columns);
        bool wide = tiles >= MinTiles;
        int blockRows = wide ? tiles : Math.Min(MaxRowsOfBlock, MaxTiles * MaxTiles / tiles);
        float* edge = stackalloc float[MaxRowsOfBlock * Columns];
        for (int p = 0, depth; p < k; p += depth)
        {
            depth = Math.Min(blockRows, k - p);
            int left = k - p - depth;
            for (int j = first, row = 0, columns; j < end; j += columns, row++)
            {
                float* tile = b + p * ldb + j, ahead = wide && left > 0 ? b + (p + depth + Math.Min(row, left - 1)) * ldb + first : null;
                columns = Math.Min(Columns, end - j);
                if (columns < Columns)
                {
                    // The right edge is copied, so that nothing behind it is read.
                    Packing.Across(tile, ldb, columns, Columns, depth, edge);
                    Tiles(p, depth, j, columns, edge, Columns, ahead);
                }
                else
                {
                    Tiles(p, depth, j, columns, tile, ldb, ahead);
                }
            }
        }
    }

    // All rows of A against one tile of B, shared out evenly: two rows would take as long as four. With nothing to prefetch, the tile itself is.
    private void Tiles(int p, int depth, int j, int columns, float* tile, nint pitch, float* ahead)
    {
        int passes = Pieces(m, TileKernel<TLanes>.Rows), aheadStep = ahead is null ? 0 : Columns / passes;
        if (ahead is null)
            ahead = tile;
        for (int pass = 0; pass < passes; pass++, ahead += depth * aheadStep)
        {
            int i = m * pass / passes, rows = (m * (pass + 1) / passes) - i;
            if (transposeA)
                Multiply<ColumnsLeft>(rows, columns, depth, a + p * lda + i, tile, pitch, c + i * ldc + j, p == 0, j, ahead, aheadStep);
            else
                Multiply<RowsLeft>(rows, columns, depth, a + i * lda + p, tile, pitch, c + i * ldc + j, p == 0, j, ahead, aheadStep);
        }
    }

    private void Multiply<TLeft>(int rows, int columns, int depth, float* left, float* tile, nint pitch, float* target, bool first, int j, float* ahead, int aheadStep)
        where TLeft : struct, ILeftLayout
    {
        float factor = first ? beta : 1;
        float* added = first && bias is not null ? bias + j : null;
        if (columns == Columns)
            Tile.Multiply<TLanes, TLeft>(rows, depth, left, lda, tile, pitch, target, ldc, factor, added, ahead, aheadStep);
        else
            Tile.MultiplyPart<TLanes, TLeft>(rows, columns, depth, left, lda, tile, pitch, target, ldc, factor, added, ahead, aheadStep);
    }
}
