namespace Ds2.Runtime.Decoding.Alignment;

/// <summary>A word and the output frames of its first and last label.</summary>
/// <param name="Text">The word.</param>
/// <param name="First">Its first frame.</param>
/// <param name="Last">Its last frame, itself one of the word's.</param>
public readonly record struct WordFrames(string Text, int First, int Last);
