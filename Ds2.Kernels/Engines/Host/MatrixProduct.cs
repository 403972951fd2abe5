using System.Numerics;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product that all host ops share: C = op(A) op(B) + bias + beta C, row-major with leading dimensions.</summary>
internal static unsafe class MatrixProduct
{
    /// <summary>C = op(A) op(B) + bias + beta C.</summary>
    /// <param name="workers">The threads that it is split over; not to be called from inside their work.</param>
    /// <param name="m">Rows of C.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">The summed dimension; 0 gives bias + beta C.</param>
    /// <param name="transposeA">A is stored [k, m] rather than [m, k].</param>
    /// <param name="transposeB">B is stored [n, k] rather than [k, n].</param>
    /// <param name="a">The first element of A as stored.</param>
    /// <param name="lda">Elements between the starts of two stored rows of A.</param>
    /// <param name="b">The first element of B as stored.</param>
    /// <param name="ldb">Elements between the starts of two stored rows of B.</param>
    /// <param name="c">The first element of C, [m, n].</param>
    /// <param name="ldc">Elements between the starts of two rows of C.</param>
    /// <param name="beta">The factor of C's old value; 0 does not read it.</param>
    /// <param name="bias">[n], added to each row; may be null.</param>
    public static void Multiply(
        WorkerPool workers, int m, int n, int k, bool transposeA, bool transposeB,
        float* a, int lda, float* b, int ldb, float* c, int ldc, float beta, float* bias)
    {
        if (m == 0 || n == 0)
            return;
        workers.For(m, i =>
        {
            var row = new Span<float>(c + (nint)i * ldc, n);
            if (beta == 0)
                row.Clear();
            else
                for (int j = 0; j < n; j++)
                    row[j] *= beta;
            if (bias is not null)
                for (int j = 0; j < n; j++)
                    row[j] += bias[j];

            for (int p = 0; p < k; p++)
            {
                float factor = transposeA ? a[(nint)p * lda + i] : a[(nint)i * lda + p];
                int j = 0;
                if (!transposeB)
                    for (; j <= n - Vector<float>.Count; j += Vector<float>.Count)
                        Vector.Store(Vector.Load(&c[(nint)i * ldc + j]) + new Vector<float>(factor) * Vector.Load(b + (nint)p * ldb + j), &c[(nint)i * ldc + j]);
                for (; j < n; j++)
                    row[j] += factor * (transposeB ? b[(nint)j * ldb + p] : b[(nint)p * ldb + j]);
            }
        });
    }
}
