using System.Runtime.CompilerServices;
using System.Numerics;

namespace Ds2.Kernels.Engines.Host;

/// <summary>A tile of 6 rows and two vectors of whatever width the machine has: 6 x 16 with AVX2, 6 x 8 with 128-bit vectors.</summary>
/// <remarks>
/// Twelve sums, two vectors of B and a broadcast element of A fill 15 of 16 registers. Without vector instructions the same source runs
/// in software. rNl and rNr hold row N of the tile, the left and the right vector.
/// </remarks>
internal readonly unsafe struct VectorMicroKernel : IMicroKernel
{
    /// <inheritdoc/>
    public static int Rows => 6;

    /// <inheritdoc/>
    public static int Columns => 2 * Lanes;

    private static int Lanes => Vector<float>.Count;

    /// <inheritdoc/>
    public static void Multiply<TRows, TLeft>(
        int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
        where TRows : struct, IRows
        where TLeft : struct, ILeftLayout
    {
        Vector<float> r0l = default, r0r = default;
        Vector<float> r1l = default, r1r = default;
        Vector<float> r2l = default, r2r = default;
        Vector<float> r3l = default, r3r = default;
        Vector<float> r4l = default, r4r = default;
        Vector<float> r5l = default, r5r = default;
        nint step = TLeft.Step(Rows, lda);
        for (; k > 0; k--, a += step, b += ldb)
        {
            Vector<float> left = Vector.Load(b), right = Vector.Load(b + Lanes);
            Vector<float> factor = new Vector<float>(*a);
            r0l = Vector.MultiplyAddEstimate(factor, left, r0l);
            r0r = Vector.MultiplyAddEstimate(factor, right, r0r);
            if (TRows.Count > 1)
            {
                factor = new Vector<float>(a[TLeft.Row(1, lda)]);
                r1l = Vector.MultiplyAddEstimate(factor, left, r1l);
                r1r = Vector.MultiplyAddEstimate(factor, right, r1r);
            }
            if (TRows.Count > 2)
            {
                factor = new Vector<float>(a[TLeft.Row(2, lda)]);
                r2l = Vector.MultiplyAddEstimate(factor, left, r2l);
                r2r = Vector.MultiplyAddEstimate(factor, right, r2r);
            }
            if (TRows.Count > 3)
            {
                factor = new Vector<float>(a[TLeft.Row(3, lda)]);
                r3l = Vector.MultiplyAddEstimate(factor, left, r3l);
                r3r = Vector.MultiplyAddEstimate(factor, right, r3r);
            }
            if (TRows.Count > 4)
            {
                factor = new Vector<float>(a[TLeft.Row(4, lda)]);
                r4l = Vector.MultiplyAddEstimate(factor, left, r4l);
                r4r = Vector.MultiplyAddEstimate(factor, right, r4r);
            }
            if (TRows.Count > 5)
            {
                factor = new Vector<float>(a[TLeft.Row(5, lda)]);
                r5l = Vector.MultiplyAddEstimate(factor, left, r5l);
                r5r = Vector.MultiplyAddEstimate(factor, right, r5r);
            }
        }

        Vector<float> biasLeft = default, biasRight = default;
        if (bias is not null)
        {
            biasLeft = Vector.Load(bias);
            biasRight = Vector.Load(bias + Lanes);
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
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector<float> left, Vector<float> right, float beta)
    {
        if (beta != 0)
        {
            left = Vector.MultiplyAddEstimate(new Vector<float>(beta), Vector.Load(c), left);
            right = Vector.MultiplyAddEstimate(new Vector<float>(beta), Vector.Load(c + Lanes), right);
        }

        Vector.Store(left, c);
        Vector.Store(right, c + Lanes);
    }
}
