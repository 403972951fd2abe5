using Ds2.Runtime.Audio;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Decoding.Alignment;

/// <summary>When the output frames of a model are.</summary>
/// <param name="FirstCentre">The middle of what the first output frame sees, in seconds from the start of the sound.</param>
/// <param name="Step">From one output frame to the next, in seconds.</param>
public readonly record struct FrameTimes(double FirstCentre, double Step)
{
    /// <summary>Those of an architecture: the same number of feature frames is seen before an output frame's middle as after it.</summary>
    public static FrameTimes Of(Architecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        return new FrameTimes((double)architecture.FirstOutputCentre / CoefficientFile.FramesPerSecond, (double)architecture.OutputStride / CoefficientFile.FramesPerSecond);
    }

    /// <summary>The middle of an output frame, in seconds.</summary>
    /// <param name="frame">The frame.</param>
    public double Centre(long frame) => FirstCentre + frame * Step;

    /// <summary>Where a frame begins: half a step before its middle, and not before the recording.</summary>
    /// <param name="frame">The frame.</param>
    public double Start(long frame) => Math.Max(0, Centre(frame) - Step / 2);

    /// <summary>Where a frame ends: half a step after its middle.</summary>
    /// <param name="frame">The frame.</param>
    public double End(long frame) => Centre(frame) + Step / 2;
}
