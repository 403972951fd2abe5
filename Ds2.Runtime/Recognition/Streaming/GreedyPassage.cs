using System.Text;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>The most likely label of each frame, as <see cref="GreedyDecoder"/> reads it: what is written stays.</summary>
/// <param name="alphabet">The labels.</param>
public sealed class GreedyPassage(Alphabet alphabet) : IPassageDecoder
{
    private readonly int space = alphabet.Space;
    private readonly StringBuilder text = new();
    private readonly List<WordFrames> words = [];
    private string? written;
    private int wordStart = -1, first, last, frame, previous = alphabet.Blank;

    /// <inheritdoc/>
    public string Text => written ??= text.ToString();

    /// <inheritdoc/>
    public int Stable => text.Length;

    /// <inheritdoc/>
    public void Advance(ReadOnlySpan<float> logits)
    {
        int label = GreedyDecoder.BestLabel(logits);
        if (label != alphabet.Blank)
        {
            if (label != previous)
            {
                if (label == space || space < 0)
                    EndWord();
                if (label != space && wordStart < 0)
                    (wordStart, first) = (text.Length, frame);
                text.Append(alphabet[label]);
                written = null;
            }

            if (label != space)
                last = frame;
        }

        previous = label;
        frame++;
    }

    /// <inheritdoc/>
    public string Finish(ICollection<WordFrames> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        EndWord();
        foreach (WordFrames word in this.words)
            words.Add(word);
        string passage = Text;
        text.Clear();
        written = null;
        this.words.Clear();
        (frame, previous) = (0, alphabet.Blank);
        return passage;
    }

    private void EndWord()
    {
        if (wordStart >= 0)
            words.Add(new WordFrames(text.ToString(wordStart, text.Length - wordStart), first, last));
        wordStart = -1;
    }
}
