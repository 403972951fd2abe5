namespace Ds2.Kernels.Ops;

/// <summary>The sizes of a 2-D convolution (cross-correlation) of images [N, C, H, W]; in the model H is frequency and W time.</summary>
/// <param name="N">Images.</param>
/// <param name="C">Input channels.</param>
/// <param name="H">Input rows.</param>
/// <param name="W">Input columns.</param>
/// <param name="K">Output channels.</param>
/// <param name="R">Kernel rows.</param>
/// <param name="S">Kernel columns.</param>
/// <param name="StrideH">Step between output rows.</param>
/// <param name="StrideW">Step between output columns.</param>
/// <param name="PadH">Zero rows above and below.</param>
/// <param name="PadW">Zero columns left and right.</param>
public readonly record struct Conv2dShape(
    int N, int C, int H, int W, int K, int R, int S, int StrideH = 1, int StrideW = 1, int PadH = 0, int PadW = 0)
{
    /// <summary>Output rows.</summary>
    public int OutH => OutputSize(H, R, StrideH, PadH);

    /// <summary>Output columns.</summary>
    public int OutW => OutputSize(W, S, StrideW, PadW);

    /// <summary>The input's shape.</summary>
    public Shape X => new(N, C, H, W);

    /// <summary>The weight's shape.</summary>
    public Shape Weight => new(K, C, R, S);

    /// <summary>The output's shape.</summary>
    public Shape Y => new(N, K, OutH, OutW);

    /// <summary>Elements of a window over all channels: the length of each output's sum.</summary>
    public int Window => C * R * S;

    /// <summary>Multiplications and additions of the forward pass; each of the two gradients takes as many.</summary>
    public double Flops => 2.0 * N * K * OutH * OutW * Window;

    /// <summary>The least that memory must move forward: input and weight read, output written, fp32.</summary>
    public double Bytes => 4.0 * ((double)N * C * H * W + (double)K * Window + (double)N * K * OutH * OutW);

    /// <summary>Output length along one axis: floor((size + 2 pad - kernel) / stride) + 1, or 0 where the kernel does not fit.</summary>
    public static int OutputSize(int size, int kernel, int stride, int pad) =>
        size + 2L * pad < kernel ? 0 : checked((int)((size + 2L * pad - kernel) / stride + 1));
}
