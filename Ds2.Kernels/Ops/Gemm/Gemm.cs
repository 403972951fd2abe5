using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>Matrix product: C = op(A) op(B) + beta C, optionally plus a bias for each column.</summary>
/// <remarks>
/// Row-major. NN, NT and TN are the forward, data-gradient and weight-gradient products of a linear layer. Each element is summed over K in an
/// order that the engine, the sizes and whether there is a workspace decide, never timing. NaN and infinities propagate as IEEE 754 has them; with beta 0, C is not read.
/// Source: Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.
/// </remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Gemm(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    public static Gemm On(IEngine engine) => engine.Implement<Gemm>(host => new HostGemm(host), ilgpu => new IlgpuGemm(ilgpu));

    /// <summary>Scratch with which <see cref="Multiply"/> may cut a sum over K, in fp32 elements: enough for this product, and for those of the same M and N and a shorter sum.</summary>
    public abstract int WorkspaceFor(GemmShape shape);

    /// <summary>C = op(A) op(B) + bias + beta C.</summary>
    /// <param name="shape">The sizes; any, zero included (K = 0 gives bias + beta C). Not both operands transposed.</param>
    /// <param name="a">[M, K], or [K, M] if transposed.</param>
    /// <param name="b">[K, N], or [N, K] if transposed.</param>
    /// <param name="c">[M, N]; overwritten for beta 0, else accumulated.</param>
    /// <param name="beta">The factor of C's old value; 0 does not read it.</param>
    /// <param name="bias">[N], added to each row; null for none.</param>
    /// <param name="workspace">At least <see cref="WorkspaceFor"/> elements: the sum over K may be cut into slices, which run side by side and are added in order. That is for weight
    /// gradients, few elements of long sums. Null: no sum is cut. On a GPU its order is then the same for any number of rows, as activations need; on the host up to 64 rows go through kernels of their own, which sum in another order.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, c overlaps another tensor, both operands are transposed, or the workspace is short.</exception>
    public void Multiply(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta = 0, Tensor? bias = null, Workspace? workspace = null)
    {
        using ProfilerRange range = Range();
        Validate(shape, a, b, c);
        if (bias is not null)
        {
            Check.Is(bias, Engine, new Shape(shape.N));
            Check.Disjoint(c, bias);
        }

        if (workspace is not null)
        {
            Check.Is(workspace, Engine);
            workspace.Begin(WorkspaceFor(shape));
        }

        if (shape.C.Length > 0)
            MultiplyCore(shape, a, b, c, beta, bias, workspace);
    }

    /// <summary>Several products of one shape, each of matrices of its own: C = op(A) op(B).</summary>
    /// <param name="shape">The sizes of one. Not both operands transposed.</param>
    /// <param name="count">How many; 0 for none.</param>
    /// <param name="a">[count, M, K], or [count, K, M] if transposed.</param>
    /// <param name="b">[count, K, N], or [count, N, K] if transposed.</param>
    /// <param name="c">[count, M, N]; overwritten.</param>
    /// <exception cref="ArgumentException">As of <see cref="Multiply"/>.</exception>
    public void MultiplyEach(GemmShape shape, int count, Tensor a, Tensor b, Tensor c)
    {
        using ProfilerRange range = Range();
        ValidateEach(shape, count, a, b, c);
        if (c.Length > 0)
            MultiplyEachCore(shape, count, a, b, c);
    }

    /// <summary>Several products C = op(A) op(B) that are known to be symmetric, as A Aᵀ and the products of polynomials of one symmetric matrix are: half of each need not be computed.</summary>
    /// <remarks>Where an engine computes half, C is symmetric to the bit; else as far as rounding leaves it so.</remarks>
    /// <param name="shape">The sizes of one, M = N. Not both operands transposed.</param>
    /// <param name="count">How many; 0 for none.</param>
    /// <param name="a">[count, N, K], or [count, K, N] if transposed.</param>
    /// <param name="b">[count, K, N], or [count, N, K] if transposed; may be a.</param>
    /// <param name="c">[count, N, N]; overwritten.</param>
    /// <exception cref="ArgumentException">As of <see cref="Multiply"/>; or C is not square.</exception>
    public void MultiplySymmetric(GemmShape shape, int count, Tensor a, Tensor b, Tensor c)
    {
        using ProfilerRange range = Range();
        Check.That(shape.M == shape.N, $"a symmetric matrix is square, not {shape.C}");
        ValidateEach(shape, count, a, b, c);
        if (c.Length > 0)
            MultiplySymmetricCore(shape, count, a, b, c);
    }

    /// <summary><see cref="MultiplyEach"/> on validated arguments, C not empty.</summary>
    protected virtual void MultiplyEachCore(GemmShape shape, int count, Tensor a, Tensor b, Tensor c)
    {
        for (int i = 0; i < count; i++)
            MultiplyCore(shape, One(a, i, shape.A), One(b, i, shape.B), One(c, i, shape.C), 0, null, null);
    }

    /// <summary><see cref="MultiplySymmetric"/> on validated arguments, C not empty.</summary>
    protected virtual void MultiplySymmetricCore(GemmShape shape, int count, Tensor a, Tensor b, Tensor c) => MultiplyEachCore(shape, count, a, b, c);

    /// <summary><see cref="Multiply"/> on validated arguments, M and N positive.</summary>
    protected abstract void MultiplyCore(GemmShape shape, Tensor a, Tensor b, Tensor c, float beta, Tensor? bias, Workspace? workspace);

    /// <summary>One of several matrices, one behind the other.</summary>
    protected static Tensor One(Tensor all, int index, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(all);
        return all.Slice(index * shape.Length, shape);
    }

    private static Shape Each(int count, Shape matrix) => new(count, matrix[0], matrix[1]);

    private void ValidateEach(GemmShape shape, int count, Tensor a, Tensor b, Tensor c)
    {
        Check.That(!(shape.TransposeA && shape.TransposeB), "a product of two transposed matrices is not offered");
        Check.Is(a, Engine, Each(count, shape.A));
        Check.Is(b, Engine, Each(count, shape.B));
        Check.Is(c, Engine, Each(count, shape.C));
        Check.Disjoint(c, a);
        Check.Disjoint(c, b);
    }

    private void Validate(GemmShape shape, Tensor a, Tensor b, Tensor c)
    {
        Check.That(!(shape.TransposeA && shape.TransposeB), "a product of two transposed matrices is not offered");
        Check.Is(a, Engine, shape.A);
        Check.Is(b, Engine, shape.B);
        Check.Is(c, Engine, shape.C);
        Check.Disjoint(c, a);
        Check.Disjoint(c, b);
    }
}
