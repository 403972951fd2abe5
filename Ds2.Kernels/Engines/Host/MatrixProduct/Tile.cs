namespace Ds2.Kernels.Engines.Host;

/// <summary>Calls the tile kernel with a row count that is known at run time only.</summary>
internal static unsafe class Tile
{
    /// <summary>Tiles one after the other, each of 1 to <see cref="TileKernel{TLanes}.Rows"/> rows, with C written directly.</summary>
    public static void Multiply<TLanes, TLeft>(
        int tiles, int rows, int k, float* a, nint lda, nint nextA, float* b, nint ldb, nint nextB, float* c, nint ldc, nint nextC,
        float beta, float* bias, float* ahead, nint aheadStep)
        where TLanes : unmanaged, ILanes<TLanes>
        where TLeft : struct, ILeftLayout
    {
        switch (rows)
        {
            case 1:
                TileKernel<TLanes>.Multiply<One, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 2:
                TileKernel<TLanes>.Multiply<Two, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 3:
                TileKernel<TLanes>.Multiply<Three, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 4:
                TileKernel<TLanes>.Multiply<Four, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 5:
                TileKernel<TLanes>.Multiply<Five, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 6:
                TileKernel<TLanes>.Multiply<Six, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 7 when TileKernel<TLanes>.Rows >= 7:
                TileKernel<TLanes>.Multiply<Seven, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 8 when TileKernel<TLanes>.Rows >= 8:
                TileKernel<TLanes>.Multiply<Eight, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 9 when TileKernel<TLanes>.Rows >= 9:
                TileKernel<TLanes>.Multiply<Nine, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 10 when TileKernel<TLanes>.Rows >= 10:
                TileKernel<TLanes>.Multiply<Ten, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 11 when TileKernel<TLanes>.Rows >= 11:
                TileKernel<TLanes>.Multiply<Eleven, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            case 12 when TileKernel<TLanes>.Rows >= 12:
                TileKernel<TLanes>.Multiply<Twelve, TLeft>(tiles, k, a, lda, nextA, b, ldb, nextB, c, ldc, nextC, beta, bias, ahead, aheadStep);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows));
        }
    }

    /// <summary>One tile of 1 to <see cref="TileKernel{TLanes}.Rows"/> rows, with C written directly.</summary>
    public static void Multiply<TLanes, TLeft>(
        int rows, int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias, float* ahead, nint aheadStep)
        where TLanes : unmanaged, ILanes<TLanes>
        where TLeft : struct, ILeftLayout =>
        Multiply<TLanes, TLeft>(1, rows, k, a, lda, 0, b, ldb, 0, c, ldc, 0, beta, bias, ahead, aheadStep);

    /// <summary>One tile of which only some columns exist in C; B is read at full width.</summary>
    public static void MultiplyPart<TLanes, TLeft>(
        int rows, int columns, int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias, float* ahead, nint aheadStep)
        where TLanes : unmanaged, ILanes<TLanes>
        where TLeft : struct, ILeftLayout
    {
        float* tile = stackalloc float[TileKernel<TLanes>.Rows * TileKernel<TLanes>.Columns];
        Multiply<TLanes, TLeft>(rows, k, a, lda, b, ldb, tile, TileKernel<TLanes>.Columns, 0, null, ahead, aheadStep);
        for (int i = 0; i < rows; i++)
        {
            float* from = tile + i * TileKernel<TLanes>.Columns, to = c + i * ldc;
            for (int j = 0; j < columns; j++)
            {
                float value = bias is null ? from[j] : from[j] + bias[j];
                to[j] = beta == 0 ? value : MathF.FusedMultiplyAdd(beta, to[j], value);
            }
        }
    }
}
