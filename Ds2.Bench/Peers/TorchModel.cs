using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace Ds2.Bench.Peers;

/// <summary>The model as a user of TorchSharp writes it, module for module and name for name that of <see cref="DeepSpeech2"/>.</summary>
internal sealed class TorchModel : Module<torch.Tensor, torch.Tensor>
{
    private readonly Architecture architecture;
    private readonly double dropout;
    private readonly Conv2d firstConvolution;
    private readonly Conv2d secondConvolution;
    private readonly BatchNorm2d firstNorm;
    private readonly BatchNorm2d secondNorm;
    private readonly List<(BatchNorm1d? Norm, GRU Rnn)> recurrent = [];
    private readonly BatchNorm1d outputNorm;
    private readonly Linear output;

    /// <summary>Builds it, with initial values of its own.</summary>
    /// <param name="architecture">The sizes.</param>
    /// <param name="dropout">The share of each GRU layer's outputs that is dropped in training.</param>
    public TorchModel(Architecture architecture, double dropout = 0)
        : base(nameof(TorchModel))
    {
        this.architecture = architecture;
        this.dropout = dropout;
        firstConvolution = Named("conv.0", Convolution(architecture.FirstConvolution));
        firstNorm = Named("conv.1", BatchNorm2d(architecture.Channels));
        secondConvolution = Named("conv.3", Convolution(architecture.SecondConvolution));
        secondNorm = Named("conv.4", BatchNorm2d(architecture.Channels));
        for (int i = 0; i < architecture.Layers; i++)
        {
            BatchNorm1d? norm = architecture.RnnBatchNorm && i > 0 ? Named($"rnns.{i}.batch_norm.module", BatchNorm1d(architecture.Hidden)) : null;
            GRU rnn = Named($"rnns.{i}.rnn", GRU(i == 0 ? InputSize(architecture) : architecture.Hidden, architecture.Hidden, bidirectional: architecture.Bidirectional));
            recurrent.Add((norm, rnn));
        }

        outputNorm = Named("fc.0.module.0", BatchNorm1d(architecture.Hidden));
        output = Named("fc.0.module.1", Linear(architecture.Hidden, architecture.Classes, hasBias: false));
    }

    /// <summary>Its parameters, by their names in PyTorch's state dict.</summary>
    public Dictionary<string, TorchSharp.Modules.Parameter> Parameters { get; } = [];

    /// <summary>Its running means and variances, likewise.</summary>
    public Dictionary<string, torch.Tensor> Statistics { get; } = [];

    /// <summary>The output frames of the convolutions.</summary>
    public int OutputFrames(int frames) => SecondFrames(FirstFrames(frames));

    /// <summary>Takes over our model's parameters.</summary>
    public void CopyFrom(ParameterSet ours)
    {
        using IDisposable noGradients = torch.no_grad();
        foreach (Runtime.Layers.Parameter parameter in ours.Parameters)
        {
            torch.Tensor theirs = Parameters[parameter.Name];
            using torch.Tensor values = torch.tensor(parameter.Values.ToArray(), theirs.shape);
            theirs.copy_(values);
        }
    }

    /// <summary>||our gradient - libtorch's|| / ||libtorch's||, all parameters together.</summary>
    /// <param name="ours">Our gradients.</param>
    /// <param name="factor">What ours are multiplied with.</param>
    public double GradientDifference(ParameterSet ours, double factor = 1)
    {
        double difference = 0, size = 0;
        foreach (Runtime.Layers.Parameter parameter in ours.Parameters)
        {
            using torch.Tensor gradient = Parameters[parameter.Name].grad!.contiguous();
            (double Difference, double Size) squares = Norms.Squares(parameter.Gradient.ToArray(), gradient.data<float>().ToArray(), factor);
            difference += squares.Difference;
            size += squares.Size;
        }

        return Math.Sqrt(difference / size);
    }

    /// <summary>A GRU layer's output, directions summed.</summary>
    public static torch.Tensor Recur(GRU rnn, torch.Tensor x, int hidden) => Summed(rnn.call(x).Item1, hidden);

    /// <summary>Logits [T', N, C] of features [N, 1, F, T], all of one length; the masks are applied nevertheless, as for any batch.</summary>
    public override torch.Tensor forward(torch.Tensor features)
    {
        torch.Tensor x = Block(firstConvolution, firstNorm, features, FirstFrames((int)features.shape[3]));
        x = Block(secondConvolution, secondNorm, x, OutputFrames((int)features.shape[3]));
        x = x.flatten(1, 2).permute(2, 0, 1).contiguous();
        foreach ((BatchNorm1d? norm, GRU rnn) in recurrent)
            x = Dropped(Recur(rnn, norm is null ? x : Rows(norm, x), architecture.Hidden));
        return output.call(Rows(outputNorm, x));
    }

    /// <summary>Logits of utterances that may be of different lengths: what is padded takes no part in any statistic, and the GRUs neither read nor write it.</summary>
    /// <param name="features">[N, 1, F, T], zero after each utterance's end.</param>
    /// <param name="frames">[N], the valid frames of each; the longest has T.</param>
    /// <returns>[T', N, C]; of no meaning after an utterance's end.</returns>
    public torch.Tensor Forward(torch.Tensor features, int[] frames)
    {
        if (Array.TrueForAll(frames, count => count == frames[0]))
            return call(features);
        var first = new Padding([.. frames.Select(FirstFrames)]);
        var second = new Padding([.. frames.Select(OutputFrames)]);
        torch.Tensor x = Block(firstConvolution, firstNorm, features, first);
        x = Block(secondConvolution, secondNorm, x, second);
        x = x.flatten(1, 2).permute(2, 0, 1).contiguous();
        foreach ((BatchNorm1d? norm, GRU rnn) in recurrent)
            x = Dropped(Recur(rnn, norm is null ? x : Rows(norm, x, second), second));
        return output.call(Rows(outputNorm, x, second));
    }

    private static Conv2d Convolution(ConvolutionOptions options) => Conv2d(
        options.InputChannels, options.OutputChannels, (options.KernelRows, options.KernelFrames),
        (options.StrideRows, options.StrideFrames), (options.PadRows, options.PadFrames));

    private static torch.Tensor Block(Conv2d convolution, BatchNorm2d norm, torch.Tensor x, int validFrames)
    {
        torch.Tensor y = functional.hardtanh(norm.call(convolution.call(x)), 0, 20, inplace: true);
        torch.Tensor padded = torch.arange(y.shape[3]).ge(validFrames).view(1, 1, 1, -1);
        return y.masked_fill(padded, 0);
    }

    private torch.Tensor Block(Conv2d convolution, BatchNorm2d norm, torch.Tensor x, Padding padding)
    {
        torch.Tensor y = convolution.call(x), mask = padding.OfImages();
        y = training ? Padding.Normalize(norm, y.masked_fill(mask, 0), mask, padding.ValidFrames * y.shape[2], [0, 2, 3], [1, -1, 1, 1]) : norm.call(y);
        return functional.hardtanh(y, 0, 20, inplace: true).masked_fill(mask, 0);
    }

    /// <summary>Normalizes rows that are zero where they are padded; those come out as any number.</summary>
    private torch.Tensor Rows(BatchNorm1d norm, torch.Tensor x, Padding padding) =>
        training ? Padding.Normalize(norm, x, padding.OfRows(), padding.ValidFrames, [0, 1], [-1]) : Rows(norm, x);

    private torch.Tensor Recur(GRU rnn, torch.Tensor x, Padding padding)
    {
        utils.rnn.PackedSequence packed = utils.rnn.pack_padded_sequence(x, padding.Lengths, enforce_sorted: false);
        return Summed(utils.rnn.pad_packed_sequence(rnn.call(packed).Item1, total_length: x.shape[0]).Item1, architecture.Hidden);
    }

    private torch.Tensor Dropped(torch.Tensor x) => dropout > 0 ? functional.dropout(x, dropout, training) : x;

    private static torch.Tensor Summed(torch.Tensor y, int hidden) => y.shape[2] == hidden ? y : y.narrow(2, 0, hidden) + y.narrow(2, hidden, hidden);

    private static torch.Tensor Rows(BatchNorm1d norm, torch.Tensor x) => norm.call(x.view(-1, x.shape[2])).view(x.shape);

    private static int InputSize(Architecture architecture) =>
        architecture.Channels * Size(Size(architecture.InputRows, architecture.FirstConvolution), architecture.SecondConvolution);

    private static int Size(int rows, ConvolutionOptions convolution) => Kernels.Ops.Conv2dShape.OutputSize(
        rows, convolution.KernelRows, convolution.StrideRows, convolution.PadRows);

    private int FirstFrames(int frames) => Kernels.Ops.Conv2dShape.OutputSize(
        frames, architecture.FirstConvolution.KernelFrames, architecture.FirstConvolution.StrideFrames, architecture.FirstConvolution.PadFrames);

    private int SecondFrames(int frames) => Kernels.Ops.Conv2dShape.OutputSize(
        frames, architecture.SecondConvolution.KernelFrames, architecture.SecondConvolution.StrideFrames, 0);

    private T Named<T>(string name, T module)
        where T : Module
    {
        register_module(name.Replace('.', '_'), module);
        foreach ((string parameterName, TorchSharp.Modules.Parameter parameter) in module.named_parameters())
            Parameters.Add($"{name}.{parameterName}", parameter);
        foreach ((string bufferName, torch.Tensor buffer) in module.named_buffers())
            Statistics.Add($"{name}.{bufferName}", buffer);
        return module;
    }
}
