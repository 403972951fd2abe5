namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>A word and the output frames of its first and last label.</summary>
/// <param name="Text">The word.</param>
/// <param name="First">Its first frame, counted from the passage's.</param>
/// <param name="Last">Its last frame.</param>
public readonly record struct WordFrames(string Text, int First, int Last);

/// <summary>Reads one stream's text off its logits, frame by frame.</summary>
public interface IPassageDecoder
{
    /// <summary>The text of the passage so far.</summary>
    string Text { get; }

    /// <summary>How many of its characters stay as they are, whatever follows.</summary>
    int Stable { get; }

    /// <summary>Takes the next frame.</summary>
    /// <param name="logits">[C].</param>
    void Advance(ReadOnlySpan<float> logits);

    /// <summary>Ends the passage; the next frame is the first of another.</summary>
    /// <param name="words">Receives its words with their frames; left empty where the decoder does not know these.</param>
    /// <returns>Its text.</returns>
    string Finish(ICollection<WordFrames> words);
}
