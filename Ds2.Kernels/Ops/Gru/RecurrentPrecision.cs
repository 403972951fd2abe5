namespace Ds2.Kernels.Ops;

/// <summary>How a GRU's products with its state read the recurrent weight U. Sums, parameters and gradients are fp32 either way.</summary>
public enum RecurrentPrecision
{
    /// <summary>As it is.</summary>
    Fp32,

    /// <summary>
    /// Rounded to IEEE half precision (to nearest, ties to even; beyond 65504 to infinity), in both passes: the gradient is that of the rounded weights. A frame reads
    /// half the bytes, on the host in the forward pass alone.
    /// </summary>
    Fp16,
}
