using Ds2.Runtime.Decoding.Alignment;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>Reads one stream's text off its logits, frame by frame.</summary>
public interface IPassageDecoder
{
    /// <summary>The text of the passage so far, with the spaces that were heard at its ends.</summary>
    string Text { get; }

    /// <summary>How many of its characters stay as they are, whatever follows: the passage's final text begins with them.</summary>
    int Stable { get; }

    /// <summary>Takes the next frame.</summary>
    /// <param name="logits">[C].</param>
    void Advance(ReadOnlySpan<float> logits);

    /// <summary>Ends the passage; the next frame is the first of another.</summary>
    /// <param name="words">Receives its words with their frames, counted from the passage's first; where the alphabet has no space, each label is a word.</param>
    /// <returns>Its text.</returns>
    string Finish(ICollection<WordFrames> words);
}
