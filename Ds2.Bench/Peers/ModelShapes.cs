using Ds2.Bench.Step;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Peers;

/// <summary>The shapes of the ops of a training step.</summary>
internal sealed class ModelShapes
{
    /// <summary>Those of a model on a batch of utterances of one length.</summary>
    public ModelShapes(StepOptions options)
    {
        Architecture model = options.Run.Model.ArchitectureFor(Alphabet.English);
        FirstConvolution = Convolution(model.FirstConvolution, options.Batch, model.InputRows, options.Frames);
        SecondConvolution = Convolution(model.SecondConvolution, options.Batch, FirstConvolution.OutH, FirstConvolution.OutW);
        Frames = SecondConvolution.OutW;
        Gru = new GruShape(Frames, options.Batch, model.Hidden, model.Hidden, model.Bidirectional ? 2 : 1);
        Ctc = new CtcShape(Frames, options.Batch, model.Classes, options.Labels);
    }

    /// <summary>conv.0: its input gradient is not needed.</summary>
    public Conv2dShape FirstConvolution { get; }

    /// <summary>conv.3.</summary>
    public Conv2dShape SecondConvolution { get; }

    /// <summary>Output frames.</summary>
    public int Frames { get; }

    /// <summary>A recurrent layer behind another.</summary>
    public GruShape Gru { get; }

    /// <summary>The loss.</summary>
    public CtcShape Ctc { get; }

    private static Conv2dShape Convolution(ConvolutionOptions options, int batch, int rows, int frames) => new(
        batch, options.InputChannels, rows, frames, options.OutputChannels, options.KernelRows, options.KernelFrames,
        options.StrideRows, options.StrideFrames, options.PadRows);
}
