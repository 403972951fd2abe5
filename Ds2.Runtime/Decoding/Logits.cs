namespace Ds2.Runtime.Decoding;

/// <summary>What a model says of one utterance: for each output frame a score of every label.</summary>
/// <param name="Values">[Frames, Classes], row-major, before the softmax.</param>
/// <param name="Frames">Output frames; 0 where the utterance is too short for one.</param>
/// <param name="Classes">Labels, the blank included.</param>
public sealed record Logits(float[] Values, int Frames, int Classes)
{
    /// <summary>The scores of one frame.</summary>
    /// <param name="frame">0 .. Frames - 1.</param>
    public ReadOnlySpan<float> Row(int frame) => Values.AsSpan(frame * Classes, Classes);
}
