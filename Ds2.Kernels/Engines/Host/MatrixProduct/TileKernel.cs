using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The innermost loop of a matrix product: a tile of C, two registers wide, that stays in registers while K passes by.</summary>
/// <remarks>
/// With the 32 registers of AVX-512 a tile has up to 12 rows (12 x 32: 24 sums, two vectors of B, one broadcast element of A; fourteen loads
/// for 24 multiply-adds leave the load ports slack, and 24 independent sums hide the four cycles of a multiply-add); with sixteen registers up
/// to 6 rows (6 x 16 with AVX2). rNl and rNr hold row N of the tile, the left and the right vector. The JIT drops the rows that a tile lacks.
/// </remarks>
internal static unsafe class TileKernel<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int LineFloats = 16;

    /// <summary>The most rows of a tile.</summary>
    public static int Rows
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] // A call in Multiply, however cold, would drive all sums out of their registers.
        get => TLanes.Count >= 16 ? 12 : 6;
    }

    /// <summary>The columns of a tile: two vectors.</summary>
    public static int Columns
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2 * TLanes.Count;
    }

    /// <summary>Steps of k in a round of the innermost loop.</summary>
    /// <remarks>
    /// A short loop is fetched at full speed only where it lies well in the code, which the JIT does not see to: on Zen 3 a round of one step (117 bytes) ran
    /// at 88 to 99 % of the multiply-adds' peak depending on its address, a round of four at 100 % wherever it lay. With AVX-512 a step is long by itself:
    /// rounds of four were no faster on Zen 4.
    /// </remarks>
    public static int Unroll
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TLanes.Count >= 16 ? 1 : 4;
    }

    /// <summary>C = A B + bias + beta C for tiles one after the other; each element is summed over k in order.</summary>
    /// <param name="tiles">The number of tiles, of <typeparamref name="TRows"/> rows each.</param>
    /// <param name="k">The summed dimension.</param>
    /// <param name="a">The first tile's rows of A, laid out as <typeparamref name="TLeft"/> says.</param>
    /// <param name="lda">Elements between two stored rows of A, where the layout has such.</param>
    /// <param name="nextA">Elements from a tile's rows of A to the next tile's; 0 for tiles beside one another.</param>
    /// <param name="b">The first tile's columns of B, row by row.</param>
    /// <param name="ldb">Elements between two rows of B.</param>
    /// <param name="nextB">Elements from a tile's columns of B to the next tile's; 0 for tiles under one another.</param>
    /// <param name="c">The first tile.</param>
    /// <param name="ldc">Elements between two rows of C.</param>
    /// <param name="nextC">Elements from a tile of C to the next one.</param>
    /// <param name="beta">The factor of C's old value; 0 does not read it.</param>
    /// <param name="bias">One number per column of the tiles; may be null.</param>
    /// <param name="ahead">Memory to prefetch: at each k of each tile, as much as a row of a tile of B has.</param>
    /// <param name="aheadStep">Elements from one of these to the next.</param>
    public static void Multiply<TRows, TLeft>(
        int tiles, int k, float* a, nint lda, nint nextA, float* b, nint ldb, nint nextB, float* c, nint ldc, nint nextC, float beta, float* bias, float* ahead, nint aheadStep)
        where TRows : struct, IRows
        where TLeft : struct, ILeftLayout
    {
        nint step = TLeft.Step(Rows, lda), skip = nextA - k * step;
        for (; tiles > 0; tiles--, a += skip, b += nextB, c += nextC)
        {
            if (beta != 0 && tiles > 1)
                Prefetch(TRows.Count, c + nextC, ldc);

            TLanes r0l = default, r0r = default;
            TLanes r1l = default, r1r = default;
            TLanes r2l = default, r2r = default;
            TLanes r3l = default, r3r = default;
            TLanes r4l = default, r4r = default;
            TLanes r5l = default, r5r = default;
            TLanes r6l = default, r6r = default;
            TLanes r7l = default, r7r = default;
            TLanes r8l = default, r8r = default;
            TLanes r9l = default, r9r = default;
            TLanes r10l = default, r10r = default;
            TLanes r11l = default, r11r = default;
            float* end = a + k * step, row = b;
            for (float* whole = a + (Unroll > 1 ? k / Unroll * Unroll * step : 0); Unroll > 1 && a != whole; a += Unroll * step, row += Unroll * ldb, ahead += Unroll * aheadStep)
            {
                Add<TRows, TLeft>(
                    a, lda, row, ahead,
                    ref r0l, ref r0r, ref r1l, ref r1r, ref r2l, ref r2r, ref r3l, ref r3r, ref r4l, ref r4r, ref r5l, ref r5r,
                    ref r6l, ref r6r, ref r7l, ref r7r, ref r8l, ref r8r, ref r9l, ref r9r, ref r10l, ref r10r, ref r11l, ref r11r);
                Add<TRows, TLeft>(
                    a + step, lda, row + ldb, ahead + aheadStep,
                    ref r0l, ref r0r, ref r1l, ref r1r, ref r2l, ref r2r, ref r3l, ref r3r, ref r4l, ref r4r, ref r5l, ref r5r,
                    ref r6l, ref r6r, ref r7l, ref r7r, ref r8l, ref r8r, ref r9l, ref r9r, ref r10l, ref r10r, ref r11l, ref r11r);
                Add<TRows, TLeft>(
                    a + 2 * step, lda, row + 2 * ldb, ahead + 2 * aheadStep,
                    ref r0l, ref r0r, ref r1l, ref r1r, ref r2l, ref r2r, ref r3l, ref r3r, ref r4l, ref r4r, ref r5l, ref r5r,
                    ref r6l, ref r6r, ref r7l, ref r7r, ref r8l, ref r8r, ref r9l, ref r9r, ref r10l, ref r10r, ref r11l, ref r11r);
                Add<TRows, TLeft>(
                    a + 3 * step, lda, row + 3 * ldb, ahead + 3 * aheadStep,
                    ref r0l, ref r0r, ref r1l, ref r1r, ref r2l, ref r2r, ref r3l, ref r3r, ref r4l, ref r4r, ref r5l, ref r5r,
                    ref r6l, ref r6r, ref r7l, ref r7r, ref r8l, ref r8r, ref r9l, ref r9r, ref r10l, ref r10r, ref r11l, ref r11r);
            }

            for (; a != end; a += step, row += ldb, ahead += aheadStep)
                Add<TRows, TLeft>(
                    a, lda, row, ahead,
                    ref r0l, ref r0r, ref r1l, ref r1r, ref r2l, ref r2r, ref r3l, ref r3r, ref r4l, ref r4r, ref r5l, ref r5r,
                    ref r6l, ref r6r, ref r7l, ref r7r, ref r8l, ref r8r, ref r9l, ref r9r, ref r10l, ref r10r, ref r11l, ref r11r);

            if (bias is not null)
            {
                TLanes left = TLanes.Load(bias), right = TLanes.Load(bias + TLanes.Count);
                r0l += left;
                r0r += right;
                r1l += left;
                r1r += right;
                r2l += left;
                r2r += right;
                r3l += left;
                r3r += right;
                r4l += left;
                r4r += right;
                r5l += left;
                r5r += right;
                r6l += left;
                r6r += right;
                r7l += left;
                r7r += right;
                r8l += left;
                r8r += right;
                r9l += left;
                r9r += right;
                r10l += left;
                r10r += right;
                r11l += left;
                r11r += right;
                bias += nextB == 0 ? 0 : Columns;
            }

            if (beta != 0)
            {
                var factor = TLanes.All(beta);
                AddOld(true, c, factor, ref r0l, ref r0r);
                AddOld(TRows.Count > 1, c + 1 * ldc, factor, ref r1l, ref r1r);
                AddOld(TRows.Count > 2, c + 2 * ldc, factor, ref r2l, ref r2r);
                AddOld(TRows.Count > 3, c + 3 * ldc, factor, ref r3l, ref r3r);
                AddOld(TRows.Count > 4, c + 4 * ldc, factor, ref r4l, ref r4r);
                AddOld(TRows.Count > 5, c + 5 * ldc, factor, ref r5l, ref r5r);
                AddOld(TRows.Count > 6, c + 6 * ldc, factor, ref r6l, ref r6r);
                AddOld(TRows.Count > 7, c + 7 * ldc, factor, ref r7l, ref r7r);
                AddOld(TRows.Count > 8, c + 8 * ldc, factor, ref r8l, ref r8r);
                AddOld(TRows.Count > 9, c + 9 * ldc, factor, ref r9l, ref r9r);
                AddOld(TRows.Count > 10, c + 10 * ldc, factor, ref r10l, ref r10r);
                AddOld(TRows.Count > 11, c + 11 * ldc, factor, ref r11l, ref r11r);
            }

            Store(true, c, r0l, r0r);
            Store(TRows.Count > 1, c + 1 * ldc, r1l, r1r);
            Store(TRows.Count > 2, c + 2 * ldc, r2l, r2r);
            Store(TRows.Count > 3, c + 3 * ldc, r3l, r3r);
            Store(TRows.Count > 4, c + 4 * ldc, r4l, r4r);
            Store(TRows.Count > 5, c + 5 * ldc, r5l, r5r);
            Store(TRows.Count > 6, c + 6 * ldc, r6l, r6r);
            Store(TRows.Count > 7, c + 7 * ldc, r7l, r7r);
            Store(TRows.Count > 8, c + 8 * ldc, r8l, r8r);
            Store(TRows.Count > 9, c + 9 * ldc, r9l, r9r);
            Store(TRows.Count > 10, c + 10 * ldc, r10l, r10r);
            Store(TRows.Count > 11, c + 11 * ldc, r11l, r11r);
        }
    }

    // One k: each row's element of A times the tile's row of B.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TRows, TLeft>(
        float* a, nint lda, float* b, float* ahead,
        ref TLanes r0l, ref TLanes r0r, ref TLanes r1l, ref TLanes r1r, ref TLanes r2l, ref TLanes r2r, ref TLanes r3l, ref TLanes r3r,
        ref TLanes r4l, ref TLanes r4r, ref TLanes r5l, ref TLanes r5r, ref TLanes r6l, ref TLanes r6r, ref TLanes r7l, ref TLanes r7r,
        ref TLanes r8l, ref TLanes r8r, ref TLanes r9l, ref TLanes r9r, ref TLanes r10l, ref TLanes r10r, ref TLanes r11l, ref TLanes r11r)
        where TRows : struct, IRows
        where TLeft : struct, ILeftLayout
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(ahead);
            if (Columns > LineFloats)
                Sse.Prefetch0(ahead + LineFloats);
        }

        TLanes left = TLanes.Load(b), right = TLanes.Load(b + TLanes.Count);
        TLanes factor = TLanes.All(*a);
        TLanes.AddProduct(ref r0l, factor, left);
        TLanes.AddProduct(ref r0r, factor, right);
        if (TRows.Count > 1)
        {
            factor = TLanes.All(a[TLeft.Row(1, lda)]);
            TLanes.AddProduct(ref r1l, factor, left);
            TLanes.AddProduct(ref r1r, factor, right);
        }

        if (TRows.Count > 2)
        {
            factor = TLanes.All(a[TLeft.Row(2, lda)]);
            TLanes.AddProduct(ref r2l, factor, left);
            TLanes.AddProduct(ref r2r, factor, right);
        }

        if (TRows.Count > 3)
        {
            factor = TLanes.All(a[TLeft.Row(3, lda)]);
            TLanes.AddProduct(ref r3l, factor, left);
            TLanes.AddProduct(ref r3r, factor, right);
        }

        if (TRows.Count > 4)
        {
            factor = TLanes.All(a[TLeft.Row(4, lda)]);
            TLanes.AddProduct(ref r4l, factor, left);
            TLanes.AddProduct(ref r4r, factor, right);
        }

        if (TRows.Count > 5)
        {
            factor = TLanes.All(a[TLeft.Row(5, lda)]);
            TLanes.AddProduct(ref r5l, factor, left);
            TLanes.AddProduct(ref r5r, factor, right);
        }

        if (TRows.Count > 6)
        {
            factor = TLanes.All(a[TLeft.Row(6, lda)]);
            TLanes.AddProduct(ref r6l, factor, left);
            TLanes.AddProduct(ref r6r, factor, right);
        }

        if (TRows.Count > 7)
        {
            factor = TLanes.All(a[TLeft.Row(7, lda)]);
            TLanes.AddProduct(ref r7l, factor, left);
            TLanes.AddProduct(ref r7r, factor, right);
        }

        if (TRows.Count > 8)
        {
            factor = TLanes.All(a[TLeft.Row(8, lda)]);
            TLanes.AddProduct(ref r8l, factor, left);
            TLanes.AddProduct(ref r8r, factor, right);
        }

        if (TRows.Count > 9)
        {
            factor = TLanes.All(a[TLeft.Row(9, lda)]);
            TLanes.AddProduct(ref r9l, factor, left);
            TLanes.AddProduct(ref r9r, factor, right);
        }

        if (TRows.Count > 10)
        {
            factor = TLanes.All(a[TLeft.Row(10, lda)]);
            TLanes.AddProduct(ref r10l, factor, left);
            TLanes.AddProduct(ref r10r, factor, right);
        }

        if (TRows.Count > 11)
        {
            factor = TLanes.All(a[TLeft.Row(11, lda)]);
            TLanes.AddProduct(ref r11l, factor, left);
            TLanes.AddProduct(ref r11r, factor, right);
        }
    }

    // C is in no near cache: the next tile's part is prefetched while this one's sums are formed.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(int rows, float* c, nint ldc)
    {
        if (Sse.IsSupported)
            for (int i = 0; i < rows; i++, c += ldc)
            {
                Sse.Prefetch0(c);
                Sse.Prefetch0(c + Columns - 1);
            }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddOld(bool exists, float* c, TLanes factor, ref TLanes left, ref TLanes right)
    {
        if (exists)
        {
            TLanes.AddProduct(ref left, factor, TLanes.Load(c));
            TLanes.AddProduct(ref right, factor, TLanes.Load(c + TLanes.Count));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(bool exists, float* c, TLanes left, TLanes right)
    {
        if (exists)
        {
            left.Store(c);
            right.Store(c + TLanes.Count);
        }
    }
}
