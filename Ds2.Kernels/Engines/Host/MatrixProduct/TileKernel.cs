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

    /// <summary>C = A B + bias + beta C for one tile; each element is summed over k in order.</summary>
    /// <param name="k">The summed dimension.</param>
    /// <param name="a">The tile's rows of A, laid out as <typeparamref name="TLeft"/> says.</param>
    /// <param name="lda">Elements between two stored rows of A, where the layout has such.</param>
    /// <param name="b">The tile's columns of B, row by row.</param>
    /// <param name="ldb">Elements between two rows of B.</param>
    /// <param name="c">The tile.</param>
    /// <param name="ldc">Elements between two rows of C.</param>
    /// <param name="beta">The factor of C's old value; 0 does not read it.</param>
    /// <param name="bias">One number per column; may be null.</param>
    /// <param name="ahead">What the core will need soon: for each k a row of a tile of B is asked for.</param>
    /// <param name="aheadStep">Elements from one of these to the next.</param>
    public static void Multiply<TRows, TLeft>(
        int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias, float* ahead, nint aheadStep)
        where TRows : struct, IRows
        where TLeft : struct, ILeftLayout
    {
        nint step = TLeft.Step(Rows, lda);
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
        for (; k > 0; k--, a += step, b += ldb, ahead += aheadStep)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(ahead);
                if (Columns > LineFloats)
                    Sse.Prefetch0(ahead + LineFloats);
            }

            TLanes left = TLanes.Load(b), right = TLanes.Load(b + TLanes.Count);
            TLanes factor = TLanes.All(*a);
            r0l = TLanes.MultiplyAdd(factor, left, r0l);
            r0r = TLanes.MultiplyAdd(factor, right, r0r);
            if (TRows.Count > 1)
            {
                factor = TLanes.All(a[TLeft.Row(1, lda)]);
                r1l = TLanes.MultiplyAdd(factor, left, r1l);
                r1r = TLanes.MultiplyAdd(factor, right, r1r);
            }

            if (TRows.Count > 2)
            {
                factor = TLanes.All(a[TLeft.Row(2, lda)]);
                r2l = TLanes.MultiplyAdd(factor, left, r2l);
                r2r = TLanes.MultiplyAdd(factor, right, r2r);
            }

            if (TRows.Count > 3)
            {
                factor = TLanes.All(a[TLeft.Row(3, lda)]);
                r3l = TLanes.MultiplyAdd(factor, left, r3l);
                r3r = TLanes.MultiplyAdd(factor, right, r3r);
            }

            if (TRows.Count > 4)
            {
                factor = TLanes.All(a[TLeft.Row(4, lda)]);
                r4l = TLanes.MultiplyAdd(factor, left, r4l);
                r4r = TLanes.MultiplyAdd(factor, right, r4r);
            }

            if (TRows.Count > 5)
            {
                factor = TLanes.All(a[TLeft.Row(5, lda)]);
                r5l = TLanes.MultiplyAdd(factor, left, r5l);
                r5r = TLanes.MultiplyAdd(factor, right, r5r);
            }

            if (TRows.Count > 6)
            {
                factor = TLanes.All(a[TLeft.Row(6, lda)]);
                r6l = TLanes.MultiplyAdd(factor, left, r6l);
                r6r = TLanes.MultiplyAdd(factor, right, r6r);
            }

            if (TRows.Count > 7)
            {
                factor = TLanes.All(a[TLeft.Row(7, lda)]);
                r7l = TLanes.MultiplyAdd(factor, left, r7l);
                r7r = TLanes.MultiplyAdd(factor, right, r7r);
            }

            if (TRows.Count > 8)
            {
                factor = TLanes.All(a[TLeft.Row(8, lda)]);
                r8l = TLanes.MultiplyAdd(factor, left, r8l);
                r8r = TLanes.MultiplyAdd(factor, right, r8r);
            }

            if (TRows.Count > 9)
            {
                factor = TLanes.All(a[TLeft.Row(9, lda)]);
                r9l = TLanes.MultiplyAdd(factor, left, r9l);
                r9r = TLanes.MultiplyAdd(factor, right, r9r);
            }

            if (TRows.Count > 10)
            {
                factor = TLanes.All(a[TLeft.Row(10, lda)]);
                r10l = TLanes.MultiplyAdd(factor, left, r10l);
                r10r = TLanes.MultiplyAdd(factor, right, r10r);
            }

            if (TRows.Count > 11)
            {
                factor = TLanes.All(a[TLeft.Row(11, lda)]);
                r11l = TLanes.MultiplyAdd(factor, left, r11l);
                r11r = TLanes.MultiplyAdd(factor, right, r11r);
            }
        }

        TLanes biasLeft = default, biasRight = default;
        if (bias is not null)
        {
            biasLeft = TLanes.Load(bias);
            biasRight = TLanes.Load(bias + TLanes.Count);
        }

        Store(c, r0l + biasLeft, r0r + biasRight, beta);
        if (TRows.Count > 1)
            Store(c + 1 * ldc, r1l + biasLeft, r1r + biasRight, beta);
        if (TRows.Count > 2)
            Store(c + 2 * ldc, r2l + biasLeft, r2r + biasRight, beta);
        if (TRows.Count > 3)
            Store(c + 3 * ldc, r3l + biasLeft, r3r + biasRight, beta);
        if (TRows.Count > 4)
            Store(c + 4 * ldc, r4l + biasLeft, r4r + biasRight, beta);
        if (TRows.Count > 5)
            Store(c + 5 * ldc, r5l + biasLeft, r5r + biasRight, beta);
        if (TRows.Count > 6)
            Store(c + 6 * ldc, r6l + biasLeft, r6r + biasRight, beta);
        if (TRows.Count > 7)
            Store(c + 7 * ldc, r7l + biasLeft, r7r + biasRight, beta);
        if (TRows.Count > 8)
            Store(c + 8 * ldc, r8l + biasLeft, r8r + biasRight, beta);
        if (TRows.Count > 9)
            Store(c + 9 * ldc, r9l + biasLeft, r9r + biasRight, beta);
        if (TRows.Count > 10)
            Store(c + 10 * ldc, r10l + biasLeft, r10r + biasRight, beta);
        if (TRows.Count > 11)
            Store(c + 11 * ldc, r11l + biasLeft, r11r + biasRight, beta);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, TLanes left, TLanes right, float beta)
    {
        if (beta != 0)
        {
            left = TLanes.MultiplyAdd(TLanes.All(beta), TLanes.Load(c), left);
            right = TLanes.MultiplyAdd(TLanes.All(beta), TLanes.Load(c + TLanes.Count), right);
        }

        left.Store(c);
        right.Store(c + TLanes.Count);
    }
}
