using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>Where in the sound a model's output frames are, and how late they come.</summary>
/// <param name="Step">Seconds from one output frame to the next.</param>
/// <param name="First">Seconds from the sound's start to the centre of output frame 0.</param>
public readonly record struct FrameTiming(double Step, double First)
{
    private const double FeatureStep = 0.01;

    /// <summary>How much later than its centre an output frame can be computed, in seconds: half of what the convolutions see, and half a feature frame's window.</summary>
    public double Lookahead => First + FrameExtractor.Delay;

    /// <summary>The timing of an architecture: a frame of the convolutions' output is computed from so many feature frames, the same number before its centre as after it.</summary>
    public static FrameTiming Of(Architecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        int seen = 1, step = 1;
        foreach (ConvolutionOptions convolution in (ConvolutionOptions[])[architecture.FirstConvolution, architecture.SecondConvolution])
        {
            seen += (convolution.KernelFrames - 1) * step;
            step *= convolution.StrideFrames;
        }

        return new FrameTiming(step * FeatureStep, (seen - 1) / 2.0 * FeatureStep);
    }

    /// <summary>The centre of an output frame, in seconds from the sound's start.</summary>
    public double Centre(long frame) => First + frame * Step;
}
