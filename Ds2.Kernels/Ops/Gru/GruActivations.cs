using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Algorithms;

namespace Ds2.Kernels.Ops;

/// <summary>The logistic function and the hyperbolic tangent on a GPU, from -inf to +inf; NaN stays NaN.</summary>
internal static class GruActivations
{
    private const float Small = 0.25f;

    /// <summary>1 / (1 + exp(-x)): exp overflows to +inf where the result is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sigmoid(float x) => 1 / (1 + XMath.Exp(-x));

    /// <summary>tanh: its Taylor polynomial next to 0, where 1 - exp cancels, else (1 - e) / (1 + e) with e = exp(-2 |x|), which cannot overflow.</summary>
    /// <remarks>XMath.Tanh has e = exp(2x) on an sm_60, and is NaN above 44. The polynomial's first missing term is below 1e-8 of x.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Tanh(float x)
    {
        float square = x * x;
        float near = x + x * square * (-1f / 3 + square * (2f / 15 + square * (-17f / 315 + square * (62f / 2835))));
        float size = IntrinsicMath.Abs(x);
        float e = XMath.Exp(-2 * size);
        float far = (1 - e) / (1 + e);
        far = x < 0 ? -far : far;
        return size < Small ? near : far;
    }
}
