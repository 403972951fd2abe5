namespace Ds2.Runtime.Decoding;

/// <summary>What decoders ask of one frame's logits.</summary>
internal static class LogitFrame
{
    /// <summary>The largest; -inf where there is none but NaN.</summary>
    public static float Largest(ReadOnlySpan<float> logits)
    {
        float largest = float.NegativeInfinity;
        foreach (float logit in logits)
        {
            if (logit > largest)
                largest = logit;
        }

        return largest;
    }
}
