using Ds2.Runtime.Layers;

namespace Ds2.Train.Reporting;

/// <summary>What a layer is, for people.</summary>
internal static class LayerText
{
    public static string Of(ILayer layer) => layer switch
    {
        ConvolutionLayer { Options: var o } =>
            $"Conv2d {o.InputChannels} -> {o.OutputChannels}, {o.KernelRows} x {o.KernelFrames}, stride {o.StrideRows} x {o.StrideFrames}; BatchNorm; "
            + $"Hardtanh {ConvolutionLayer.ClipLow}..{ConvolutionLayer.ClipHigh}",
        TimeMajorLayer => "N x C x F x T -> T x N x (C F)",
        RecurrentLayer rnn =>
            $"{(rnn.Normalization is null ? "" : "BatchNorm; ")}GRU {rnn.InputSize} -> {rnn.HiddenSize}{(rnn.Directions.Count == 2 ? ", bidirectional, summed" : "")}",
        OutputLayer output => $"BatchNorm; Linear {output.InputSize} -> {output.Classes}, no bias",
        _ => layer.GetType().Name,
    };
}
