namespace Ds2.Kernels.Ops;

/// <summary>The sizes of C = op(A) op(B): op(A) is M x K, op(B) is K x N, C is M x N.</summary>
/// <param name="M">Rows of C.</param>
/// <param name="N">Columns of C.</param>
/// <param name="K">The summed dimension.</param>
/// <param name="TransposeA">A is stored [K, M] rather than [M, K].</param>
/// <param name="TransposeB">B is stored [N, K] rather than [K, N].</param>
public readonly record struct GemmShape(int M, int N, int K, bool TransposeA = false, bool TransposeB = false)
{
    /// <summary>A as stored.</summary>
    public Shape A => TransposeA ? new Shape(K, M) : new Shape(M, K);

    /// <summary>B as stored.</summary>
    public Shape B => TransposeB ? new Shape(N, K) : new Shape(K, N);

    /// <summary>C.</summary>
    public Shape C => new(M, N);

    /// <summary>Multiplications and additions.</summary>
    public double Flops => 2.0 * M * N * K;

    /// <summary>The least that memory must move: A and B read, C written, fp32.</summary>
    public double Bytes => 4.0 * ((double)M * K + (double)K * N + (double)M * N);
}
