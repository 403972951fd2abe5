namespace Ds2.Runtime.Decoding.Alignment;

/// <summary>A word and when it was said.</summary>
/// <param name="Text">The word.</param>
/// <param name="Start">Where it begins, in seconds.</param>
/// <param name="End">Where it ends, in seconds; after <paramref name="Start"/>.</param>
/// <param name="Confidence">How likely it is to be right, 0 to 1; null where nobody has asked.</param>
public sealed record TimedWord(string Text, double Start, double End, double? Confidence = null)
{
    /// <summary>Its middle, in seconds.</summary>
    public double Middle => (Start + End) / 2;
}
