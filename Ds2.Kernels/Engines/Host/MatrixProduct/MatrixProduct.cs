namespace Ds2.Kernels.Engines.Host;

/// <summary>The matrix product that all host ops share: C = op(A) op(B) + bias + beta C, row-major with leading dimensions.</summary>
internal static unsafe class MatrixProduct
{
    /// <summary>C = op(A) op(B) + bias + beta C.</summary>
    /// <param name="engine">Whose threads it is split over, and whose registers it blocks for; not to be called from inside their work.</param>
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
        HostEngine engine, int m, int n, int k, bool transposeA, bool transposeB,
        float* a, int lda, float* b, int ldb, float* c, int ldc, float beta, float* bias)
    {
        WorkerPool workers = engine.Workers;
        if (m == 0 || n == 0)
            return;
        if (k == 0)
        {
            Scale(m, n, c, ldc, beta, bias);
            return;
        }

        if (engine.Lanes == Lanes512.Count)
            Multiply<Lanes512>(workers, m, n, k, transposeA, transposeB, a, lda, b, ldb, c, ldc, beta, bias);
        else if (engine.Lanes == Lanes256.Count)
            Multiply<Lanes256>(workers, m, n, k, transposeA, transposeB, a, lda, b, ldb, c, ldc, beta, bias);
        else if (engine.Lanes == Lanes128.Count)
            Multiply<Lanes128>(workers, m, n, k, transposeA, transposeB, a, lda, b, ldb, c, ldc, beta, bias);
        else
            Multiply<Lanes1>(workers, m, n, k, transposeA, transposeB, a, lda, b, ldb, c, ldc, beta, bias);
    }

    private static void Multiply<TLanes>(
        WorkerPool workers, int m, int n, int k, bool transposeA, bool transposeB,
        float* a, int lda, float* b, int ldb, float* c, int ldc, float beta, float* bias)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        if (DotProduct<TLanes>.Fits(m, transposeA, transposeB))
        {
            new DotProduct<TLanes>(m, n, k, a, lda, b, ldb, c, ldc, beta, bias).Run(workers);
            return;
        }

        if (StreamedProduct<TLanes>.Fits(m, transposeB))
        {
            new StreamedProduct<TLanes>(m, n, k, transposeA, a, lda, b, ldb, c, ldc, beta, bias).Run(workers);
            return;
        }

        new PackedProduct<TLanes>(workers, m, n, k, transposeA, transposeB, a, lda, b, ldb, c, ldc, beta, bias).Run(workers);
    }

    // What is left of the product when nothing is summed.
    private static void Scale(int m, int n, float* c, nint ldc, float beta, float* bias)
    {
        for (int i = 0; i < m; i++, c += ldc)
            for (int j = 0; j < n; j++)
                c[j] = (bias is null ? 0 : bias[j]) + (beta == 0 ? 0 : beta * c[j]);
    }
}
