namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>A word and when it was said.</summary>
/// <param name="Text">The word.</param>
/// <param name="Start">Seconds from the sound's start.</param>
/// <param name="End">Seconds from the sound's start.</param>
public sealed record SpokenWord(string Text, double Start, double End);

/// <summary>What was said between two pauses.</summary>
/// <param name="Text">Its words, a space between each two.</param>
/// <param name="Start">Seconds from the sound's start.</param>
/// <param name="End">Seconds from the sound's start.</param>
/// <param name="Words">The words with their times; empty where the decoder does not tell them.</param>
public sealed record Passage(string Text, double Start, double End, IReadOnlyList<SpokenWord> Words);
