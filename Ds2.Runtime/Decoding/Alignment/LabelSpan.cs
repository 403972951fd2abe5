namespace Ds2.Runtime.Decoding.Alignment;

/// <summary>The output frames in which a label of a text is emitted.</summary>
/// <param name="First">The first.</param>
/// <param name="Last">The last, itself one of them.</param>
public readonly record struct LabelSpan(int First, int Last);
