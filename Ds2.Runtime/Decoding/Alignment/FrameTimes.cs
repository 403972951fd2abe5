namespace Ds2.Runtime.Decoding.Alignment;

/// <summary>When the output frames of a model are.</summary>
/// <param name="FirstCentre">The middle of what the first output frame sees, in seconds from the middle of the first feature frame.</param>
/// <param name="Step">From one output frame to the next, in seconds.</param>
public readonly record struct FrameTimes(double FirstCentre, double Step)
{
    /// <summary>The middle of an output frame, in seconds.</summary>
    /// <param name="frame">The frame.</param>
    public double Centre(int frame) => FirstCentre + frame * Step;

    /// <summary>Where a span of frames begins: half a step before its first frame's middle, and not before the recording.</summary>
    /// <param name="span">The span.</param>
    public double Start(LabelSpan span) => Math.Max(0, Centre(span.First) - Step / 2);

    /// <summary>Where a span of frames ends: half a step after its last frame's middle.</summary>
    /// <param name="span">The span.</param>
    public double End(LabelSpan span) => Centre(span.Last) + Step / 2;
}
