using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gemm"/> on the CPU.</summary>
internal sealed unsafe class HostGemm(HostEngine engine) : Gemm(engine)
{
    /// <summary>Columns that are computed at a time of a symmetric product: whole tiles of every kernel. Half of such a square above the diagonal is computed for nothing.</summary>
    private const int SymmetricColumns = 64;

    /// <summary>Rows that are mirrored at a time: the floats of a cache line.</summary>
    private const int MirroredRows = 16;

    /// <inheritdoc/>
    public override int WorkspaceFor(GemmShape shape) => 0;

    /// <inheritdoc/>
    protected override void MultiplyCore(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta, Tensor? bias, Workspace? workspace) =>
        MatrixProduct.Multiply(
            Host, shape.M, shape.N, shape.K, shape.TransposeA, shape.TransposeB,
            a.Pointer(), shape.TransposeA ? shape.M : shape.K, b.Pointer(), shape.TransposeB ? shape.K : shape.N,
            c.Pointer(), shape.N, beta, bias is null ? null : bias.Pointer());

    /// <inheritdoc/>
    protected override void MultiplySymmetricCore(GemmShape shape, int count, Tensor a, Tensor b, Tensor c)
    {
        for (int i = 0; i < count; i++)
            MultiplySymmetric(shape, One(a, i, shape.A), One(b, i, shape.B), One(c, i, shape.C));
    }

    /// <remarks>Columns, not rows, as the product packs those of B: each is packed once then.</remarks>
    private void MultiplySymmetric(GemmShape shape, Tensor a, Tensor b, Tensor c)
    {
        int n = shape.N, lda = shape.TransposeA ? n : shape.K, ldb = shape.TransposeB ? shape.K : n;
        float* left = a.Pointer(), right = b.Pointer(), result = c.Pointer();
        for (int j = 0; j < n; j += SymmetricColumns)
        {
            MatrixProduct.Multiply(
                Host, n - j, Math.Min(SymmetricColumns, n - j), shape.K, shape.TransposeA, shape.TransposeB,
                left + (shape.TransposeA ? j : (nint)j * lda), lda, right + (shape.TransposeB ? (nint)j * ldb : j), ldb,
                result + (nint)j * n + j, n, 0, null);
        }

        Host.Workers.For(Division.Pieces(n, MirroredRows), piece => Mirror(result, n, piece * MirroredRows));
    }

    /// <summary>Copies what lies left of the diagonal in some rows to where it belongs above it.</summary>
    private static void Mirror(float* c, nint n, int firstRow)
    {
        // A row's values go into one column: by whole lines of the cache, as many rows at a time as such a line has places.
        int end = (int)Math.Min(n, firstRow + MirroredRows);
        for (int column = 0; column < end; column++)
        {
            float* target = c + column * n;
            for (int row = Math.Max(firstRow, column + 1); row < end; row++)
                target[row] = c[row * n + column];
        }
    }
}
