using Ds2.Kernels.Ops;

namespace Ds2.Tests.Reference;

/// <summary>C = op(A) op(B) + bias + beta C in double, each element a plain sum.</summary>
internal static class GemmReference
{
    public static double[] Multiply(GemmShape shape, double[] a, double[] b, double[] c, double beta = 0, double[]? bias = null)
    {
        var result = new double[shape.M * shape.N];
        for (int i = 0; i < shape.M; i++)
        {
            for (int j = 0; j < shape.N; j++)
            {
                double sum = bias is null ? 0 : bias[j];
                for (int k = 0; k < shape.K; k++)
                    sum += (shape.TransposeA ? a[k * shape.M + i] : a[i * shape.K + k]) * (shape.TransposeB ? b[j * shape.K + k] : b[k * shape.N + j]);
                result[i * shape.N + j] = beta == 0 ? sum : sum + beta * c[i * shape.N + j];
            }
        }

        return result;
    }
}
