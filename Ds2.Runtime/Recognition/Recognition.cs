using Ds2.Runtime.Decoding;

namespace Ds2.Runtime.Recognition;

/// <summary>What was heard in one utterance.</summary>
/// <param name="Text">The text.</param>
/// <param name="Logits">What it was read off.</param>
public sealed record Recognition(string Text, Logits Logits);
