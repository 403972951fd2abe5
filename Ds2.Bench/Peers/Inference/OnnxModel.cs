using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Bench.Peers.Inference;

/// <summary>A <see cref="DeepSpeech2"/> at inference as an ONNX graph: the same weights, utterances of one length.</summary>
internal static class OnnxModel
{
    /// <summary>The graph's input, [N, 1, F, T].</summary>
    public const string Input = "features";

    /// <summary>The graph's output, [T' N, C].</summary>
    public const string Output = "logits";

    /// <summary>The model's bytes.</summary>
    /// <param name="model">Ours.</param>
    /// <param name="batch">N.</param>
    /// <param name="frames">T, of each utterance.</param>
    public static byte[] From(DeepSpeech2 model, int batch, int frames)
    {
        var file = new OnnxFile();
        string x = Input;
        Shape shape = new(batch, 1, model.Architecture.InputRows, frames);
        int[] inputShape = [batch, 1, model.Architecture.InputRows, frames];
        foreach ((string name, ILayer layer) in model.Layers)
        {
            x = layer switch
            {
                ConvolutionLayer convolution => Convolution(file, name, convolution, x),
                TimeMajorLayer => TimeMajor(file, x, layer.OutputShape(shape)),
                RecurrentLayer recurrent => Recurrent(file, name, recurrent, x, layer.OutputShape(shape)),
                OutputLayer output => Linear(file, output, x),
                _ => throw new ArgumentException($"{layer.GetType().Name} has no counterpart in ONNX here", nameof(model)),
            };
            shape = layer.OutputShape(shape);
        }

        return file.ToArray(Input, inputShape, x, [shape[0] * shape[1], shape[2]]);
    }

    private static string Convolution(OnnxFile file, string name, ConvolutionLayer layer, string x)
    {
        ConvolutionOptions o = layer.Options;
        string weight = file.Constant($"{name}.weight", layer.Weight.Values.ToArray(), o.OutputChannels, o.InputChannels, o.KernelRows, o.KernelFrames);
        string bias = file.Constant($"{name}.bias", layer.Bias.Values.ToArray(), o.OutputChannels);
        x = file.Add(
            "Conv", $"{name}.sum", [x, weight, bias],
            ("kernel_shape", new[] { o.KernelRows, o.KernelFrames }), ("strides", new[] { o.StrideRows, o.StrideFrames }), ("pads", new[] { o.PadRows, o.PadFrames, o.PadRows, o.PadFrames }));
        x = Normalize(file, $"{name}.norm", layer.Normalization, x);
        string low = file.Constant($"{name}.low", [ConvolutionLayer.ClipLow], []), high = file.Constant($"{name}.high", [ConvolutionLayer.ClipHigh], []);
        return file.Add("Clip", $"{name}.clip", [x, low, high]);
    }

    private static string TimeMajor(OnnxFile file, string x, Shape output) => file.Add(
        "Reshape", "sequence", [file.Add("Transpose", "transposed", [x], ("perm", new[] { 3, 0, 1, 2 })), file.Constant("sequence.shape", output[0], output[1], output[2])]);

    private static string Recurrent(OnnxFile file, string name, RecurrentLayer layer, string x, Shape output)
    {
        int h = layer.HiddenSize, i = layer.InputSize, directions = layer.Directions.Count;
        if (layer.Normalization is not null)
        {
            string rows = file.Add("Reshape", $"{name}.rows", [x, file.Constant($"{name}.rows.shape", -1, i)]);
            rows = Normalize(file, $"{name}.norm", layer.Normalization, rows);
            x = file.Add("Reshape", $"{name}.normalized", [rows, file.Constant($"{name}.normalized.shape", output[0], output[1], i)]);
        }

        string w = file.Constant($"{name}.W", [.. layer.Directions.SelectMany(direction => UpdateFirst(direction.InputWeight, h * i))], directions, 3 * h, i);
        string r = file.Constant($"{name}.R", [.. layer.Directions.SelectMany(direction => UpdateFirst(direction.RecurrentWeight, h * h))], directions, 3 * h, h);
        string b = file.Constant(
            $"{name}.B", [.. layer.Directions.SelectMany(direction => UpdateFirst(direction.InputBias, h).Concat(UpdateFirst(direction.RecurrentBias, h)))], directions, 6 * h);
        x = file.Add(
            "GRU", $"{name}.states", [x, w, r, b], ("hidden_size", h), ("linear_before_reset", 1), ("direction", directions == 1 ? "forward" : "bidirectional"));
        string axis = file.Constant($"{name}.directions", 1);
        return directions == 1
            ? file.Add("Squeeze", $"{name}.y", [x, axis])
            : file.Add("ReduceSum", $"{name}.y", [x, axis], ("keepdims", 0));
    }

    // ONNX has the gates in the order z, r, n; we and PyTorch r, z, n.
    private static IEnumerable<float> UpdateFirst(Parameter gates, int gate)
    {
        float[] values = gates.Values.ToArray();
        return values[gate..(2 * gate)].Concat(values[..gate]).Concat(values[(2 * gate)..]);
    }

    private static string Linear(OnnxFile file, OutputLayer layer, string x)
    {
        x = file.Add("Reshape", "fc.rows", [x, file.Constant("fc.rows.shape", -1, layer.InputSize)]);
        x = Normalize(file, "fc.norm", layer.Normalization, x);
        float[] weight = layer.Weight.Values.ToArray(), transposed = new float[weight.Length];
        for (int row = 0; row < layer.Classes; row++)
            for (int column = 0; column < layer.InputSize; column++)
                transposed[column * layer.Classes + row] = weight[row * layer.InputSize + column];
        return file.Add("MatMul", Output, [x, file.Constant("fc.weight", transposed, layer.InputSize, layer.Classes)]);
    }

    private static string Normalize(OnnxFile file, string name, Normalization normalization, string x) => file.Add(
        "BatchNormalization", name,
        [
            x, file.Constant($"{name}.weight", normalization.Weight.Values.ToArray(), normalization.Features),
            file.Constant($"{name}.bias", normalization.Bias.Values.ToArray(), normalization.Features),
            file.Constant($"{name}.mean", normalization.RunningMean.Values.ToArray(), normalization.Features),
            file.Constant($"{name}.variance", normalization.RunningVariance.Values.ToArray(), normalization.Features),
        ],
        ("epsilon", Normalization.Epsilon));
}
