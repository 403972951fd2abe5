using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Model;

/// <summary>The architecture of a DeepSpeech2.</summary>
/// <param name="InputRows">Rows of a feature frame: 161, 13 for raw coefficients, 40 or 80 for a mel filter bank.</param>
/// <param name="Channels">Channels of both convolutions.</param>
/// <param name="Hidden">Hidden units of each GRU direction.</param>
/// <param name="Layers">GRU layers.</param>
/// <param name="Bidirectional">Whether each GRU runs in both directions.</param>
/// <param name="RnnBatchNorm">Whether the inputs of all GRUs but the first are batch-normalised.</param>
/// <param name="Classes">Labels, the blank included.</param>
/// <param name="RecurrentPrecision">How the GRUs' products with their state read the recurrent weights.</param>
/// <param name="PadFrames">Frames of zeros before and after each utterance.</param>
public sealed record Architecture(
    int InputRows, int Channels, int Hidden, int Layers, bool Bidirectional, bool RnnBatchNorm, int Classes,
    RecurrentPrecision RecurrentPrecision = RecurrentPrecision.Fp32, int PadFrames = 0)
{
    /// <summary>Feature rows below which the kernels, 41 and 21 rows high, need padding in frequency.</summary>
    private const int RowsThatFitUnpadded = 121;

    /// <summary>The fewest rows that are a frequency axis of their own; 13 coefficients are not, and have the kernels of 161 rows.</summary>
    private const int FewestFilters = 40;

    /// <summary>The first convolution: 41 x 11 with stride 2 x 2; 20 rows of padding where the features have few rows, <see cref="PadFrames"/> frames in time. On a filter bank's it covers the quarter of the axis that 41 rows are of 161.</summary>
    public ConvolutionOptions FirstConvolution => new(1, Channels, FirstRows, 11, 2, 2, PadsRows ? FirstRows / 2 : 0, PadFrames);

    /// <summary>The second convolution: 21 x 11 with stride 2 x 1; 10 rows of padding where the features have few rows. On a filter bank's it covers the third of the axis that 21 rows are of 61.</summary>
    public ConvolutionOptions SecondConvolution => new(Channels, Channels, SecondRows, 11, 2, 1, PadsRows ? SecondRows / 2 : 0);

    private bool IsFilterBank => InputRows is >= FewestFilters and < RowsThatFitUnpadded;

    private int FirstRows => IsFilterBank ? InputRows / 4 | 1 : 41;

    private int SecondRows => IsFilterBank ? InputRows / 6 | 1 : 21;

    /// <summary>Feature frames from one output frame to the next.</summary>
    public int OutputStride => FirstConvolution.StrideFrames * SecondConvolution.StrideFrames;

    /// <summary>Feature frames that an output frame sees before its middle, and as many after it: 15.</summary>
    public int OutputReach => (FirstConvolution.KernelFrames - 1) / 2 + FirstConvolution.StrideFrames * (SecondConvolution.KernelFrames - 1) / 2;

    /// <summary>The feature frame in the middle of those that the first output frame sees: 15 where nothing is padded in time.</summary>
    public int FirstOutputCentre => OutputReach - PadFrames;

    private bool PadsRows => InputRows < RowsThatFitUnpadded;
}
