using Ds2.Runtime.Decoding.Alignment;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>What was said between two pauses.</summary>
/// <param name="Text">Its words, a space between each two where the alphabet has one.</param>
/// <param name="Start">Where its first word begins, in seconds from the sound's start.</param>
/// <param name="End">Where its last word ends.</param>
/// <param name="Words">The words with their times.</param>
public sealed record Passage(string Text, double Start, double End, IReadOnlyList<TimedWord> Words);
