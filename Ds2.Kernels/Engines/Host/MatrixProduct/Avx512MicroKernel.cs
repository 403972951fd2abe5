using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Ds2.Kernels.Engines.Host;

/// <summary>A 12 x 32 tile in 24 of the 32 AVX-512 registers: two vectors of B and a broadcast element of A serve 24 multiply-adds.</summary>
/// <remarks>
/// Fourteen loads for 24 multiply-adds leave the two load ports slack; 24 independent sums hide the four cycles of a multiply-add.
/// rNl and rNr hold row N of the tile, the left and the right sixteen columns.
/// </remarks>
internal readonly unsafe struct Avx512MicroKernel : IMicroKernel
{
    /// <inheritdoc/>
    public static int Rows => 12;

    /// <inheritdoc/>
    public static int Columns => 2 * Lanes;

    private static int Lanes => Vector512<float>.Count;

    /// <inheritdoc/>
    public static void Multiply<TRows, TLeft>(
        int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
        where TRows : struct, IRows
        where TLeft : struct, ILeftLayout
    {
        Vector512<float> r0l = default, r0r = default;
        Vector512<float> r1l = default, r1r = default;
        Vector512<float> r2l = default, r2r = default;
        Vector512<float> r3l = default, r3r = default;
        Vector512<float> r4l = default, r4r = default;
        Vector512<float> r5l = default, r5r = default;
        Vector512<float> r6l = default, r6r = default;
        Vector512<float> r7l = default, r7r = default;
        Vector512<float> r8l = default, r8r = default;
        Vector512<float> r9l = default, r9r = default;
        Vector512<float> r10l = default, r10r = default;
        Vector512<float> r11l = default, r11r = default;
        nint step = TLeft.Step(Rows, lda);
        for (; k > 0; k--, a += step, b += ldb)
        {
            Vector512<float> left = Vector512.Load(b), right = Vector512.Load(b + Lanes);
            Vector512<float> factor = Vector512.Create(*a);
            r0l = Vector512.FusedMultiplyAdd(factor, left, r0l);
            r0r = Vector512.FusedMultiplyAdd(factor, right, r0r);
            if (TRows.Count > 1)
            {
                factor = Vector512.Create(a[TLeft.Row(1, lda)]);
                r1l = Vector512.FusedMultiplyAdd(factor, left, r1l);
                r1r = Vector512.FusedMultiplyAdd(factor, right, r1r);
            }
            if (TRows.Count > 2)
            {
                factor = Vector512.Create(a[TLeft.Row(2, lda)]);
                r2l = Vector512.FusedMultiplyAdd(factor, left, r2l);
                r2r = Vector512.FusedMultiplyAdd(factor, right, r2r);
            }
            if (TRows.Count > 3)
            {
                factor = Vector512.Create(a[TLeft.Row(3, lda)]);
                r3l = Vector512.FusedMultiplyAdd(factor, left, r3l);
                r3r = Vector512.FusedMultiplyAdd(factor, right, r3r);
            }
            if (TRows.Count > 4)
            {
                factor = Vector512.Create(a[TLeft.Row(4, lda)]);
                r4l = Vector512.FusedMultiplyAdd(factor, left, r4l);
                r4r = Vector512.FusedMultiplyAdd(factor, right, r4r);
            }
            if (TRows.Count > 5)
            {
                factor = Vector512.Create(a[TLeft.Row(5, lda)]);
                r5l = Vector512.FusedMultiplyAdd(factor, left, r5l);
                r5r = Vector512.FusedMultiplyAdd(factor, right, r5r);
            }
            if (TRows.Count > 6)
            {
                factor = Vector512.Create(a[TLeft.Row(6, lda)]);
                r6l = Vector512.FusedMultiplyAdd(factor, left, r6l);
                r6r = Vector512.FusedMultiplyAdd(factor, right, r6r);
            }
            if (TRows.Count > 7)
            {
                factor = Vector512.Create(a[TLeft.Row(7, lda)]);
                r7l = Vector512.FusedMultiplyAdd(factor, left, r7l);
                r7r = Vector512.FusedMultiplyAdd(factor, right, r7r);
            }
            if (TRows.Count > 8)
            {
                factor = Vector512.Create(a[TLeft.Row(8, lda)]);
                r8l = Vector512.FusedMultiplyAdd(factor, left, r8l);
                r8r = Vector512.FusedMultiplyAdd(factor, right, r8r);
            }
            if (TRows.Count > 9)
            {
                factor = Vector512.Create(a[TLeft.Row(9, lda)]);
                r9l = Vector512.FusedMultiplyAdd(factor, left, r9l);
                r9r = Vector512.FusedMultiplyAdd(factor, right, r9r);
            }
            if (TRows.Count > 10)
            {
                factor = Vector512.Create(a[TLeft.Row(10, lda)]);
                r10l = Vector512.FusedMultiplyAdd(factor, left, r10l);
                r10r = Vector512.FusedMultiplyAdd(factor, right, r10r);
            }
            if (TRows.Count > 11)
            {
                factor = Vector512.Create(a[TLeft.Row(11, lda)]);
                r11l = Vector512.FusedMultiplyAdd(factor, left, r11l);
                r11r = Vector512.FusedMultiplyAdd(factor, right, r11r);
            }
        }

        Vector512<float> biasLeft = default, biasRight = default;
        if (bias is not null)
        {
            biasLeft = Vector512.Load(bias);
            biasRight = Vector512.Load(bias + Lanes);
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
    private static void Store(float* c, Vector512<float> left, Vector512<float> right, float beta)
    {
        if (beta != 0)
        {
            left = Vector512.FusedMultiplyAdd(Vector512.Create(beta), Vector512.Load(c), left);
            right = Vector512.FusedMultiplyAdd(Vector512.Create(beta), Vector512.Load(c + Lanes), right);
        }

        Vector512.Store(left, c);
        Vector512.Store(right, c + Lanes);
    }
}
