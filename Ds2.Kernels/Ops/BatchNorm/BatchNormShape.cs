namespace Ds2.Kernels.Ops;

/// <summary>Where the normalised features stand in a tensor.</summary>
public enum BatchNormLayout
{
    /// <summary>[N, C, F, T]: a channel's statistics run over images, rows and valid frames (PyTorch's BatchNorm2d).</summary>
    ChannelsFirst,

    /// <summary>[T, N, C]: a feature's statistics run over the valid frames of all utterances (PyTorch's BatchNorm1d over T * N rows).</summary>
    TimeMajor,
}

/// <summary>The sizes of a batch normalisation over sequences of differing length.</summary>
/// <param name="Layout">Where the features stand.</param>
/// <param name="N">Utterances.</param>
/// <param name="C">Features (channels): each has its own statistics, weight and bias.</param>
/// <param name="F">Rows of a channel; 1 in <see cref="BatchNormLayout.TimeMajor"/>.</param>
/// <param name="T">Frames, padding included.</param>
public readonly record struct BatchNormShape(BatchNormLayout Layout, int N, int C, int F, int T)
{
    /// <summary>The shape of input and output.</summary>
    public Shape X => Layout == BatchNormLayout.ChannelsFirst ? new Shape(N, C, F, T) : new Shape(T, N, C);

    /// <summary>The least that memory must move forward: the input read twice (statistics, normalisation), the output written, fp32.</summary>
    public double Bytes => 12.0 * N * C * F * T;
}
