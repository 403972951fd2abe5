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
    private readonly Conv2d firstConvolution;
    private readonly Conv2d secondConvolution;
    private readonly BatchNorm2d firstNorm;
    private readonly BatchNorm2d secondNorm;
    private readonly List<(BatchNorm1d? Norm, GRU Rnn)> recurrent = [];
    private readonly BatchNorm1d outputNorm;
    private readonly Linear output;

    /// <summary>Builds it, with initial values of its own.</summary>
    public TorchModel(Architecture architecture)
        : base(nameof(TorchModel))
    {
        this.architecture = architecture;
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

    /// <summary>A GRU layer's output, directions summed.</summary>
    public static torch.Tensor Recur(GRU rnn, torch.Tensor x, int hidden)
    {
        torch.Tensor y = rnn.call(x).Item1;
        return y.shape[2] == hidden ? y : y.narrow(2, 0, hidden) + y.narrow(2, hidden, hidden);
    }

    /// <summary>Logits [T', N, C] of features [N, 1, F, T], all of one length; the masks are applied nevertheless, as for any batch.</summary>
    public override torch.Tensor forward(torch.Tensor features)
    {
        torch.Tensor x = Block(firstConvolution, firstNorm, features, FirstFrames((int)features.shape[3]));
        x = Block(secondConvolution, secondNorm, x, OutputFrames((int)features.shape[3]));
        x = x.flatten(1, 2).permute(2, 0, 1).contiguous();
        foreach ((BatchNorm1d? norm, GRU rnn) in recurrent)
            x = Recur(rnn, norm is null ? x : Rows(norm, x), architecture.Hidden);
        return output.call(Rows(outputNorm, x));
    }

    private static Conv2d Convolution(ConvolutionOptions options) => Conv2d(
        options.InputChannels, options.OutputChannels, (options.KernelRows, options.KernelFrames),
        (options.StrideRows, options.StrideFrames), (options.PadRows, 0));

    private static torch.Tensor Block(Conv2d convolution, BatchNorm2d norm, torch.Tensor x, int validFrames)
    {
        torch.Tensor y = functional.hardtanh(norm.call(convolution.call(x)), 0, 20, inplace: true);
        torch.Tensor padded = torch.arange(y.shape[3]).ge(validFrames).view(1, 1, 1, -1);
        return y.masked_fill(padded, 0);
    }

    private static torch.Tensor Rows(BatchNorm1d norm, torch.Tensor x) => norm.call(x.view(-1, x.shape[2])).view(x.shape);

    private static int InputSize(Architecture architecture) =>
        architecture.Channels * Size(Size(architecture.InputRows, architecture.FirstConvolution), architecture.SecondConvolution);

    private static int Size(int rows, ConvolutionOptions convolution) => Kernels.Ops.Conv2dShape.OutputSize(
        rows, convolution.KernelRows, convolution.StrideRows, convolution.PadRows);

    private int FirstFrames(int frames) => Kernels.Ops.Conv2dShape.OutputSize(
        frames, architecture.FirstConvolution.KernelFrames, architecture.FirstConvolution.StrideFrames, 0);

    private int SecondFrames(int frames) => Kernels.Ops.Conv2dShape.OutputSize(
        frames, architecture.SecondConvolution.KernelFrames, architecture.SecondConvolution.StrideFrames, 0);

    private T Named<T>(string name, T module)
        where T : Module
    {
        register_module(name.Replace('.', '_'), module);
        foreach ((string parameterName, TorchSharp.Modules.Parameter parameter) in module.named_parameters())
            Parameters.Add($"{name}.{parameterName}", parameter);
        return module;
    }
}
