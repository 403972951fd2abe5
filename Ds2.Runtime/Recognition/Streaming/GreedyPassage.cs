using System.Text;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>The most likely label of each frame, as <see cref="Decoding.GreedyDecoder"/> reads it: what is written stays.</summary>
/// <param name="alphabet">The labels.</param>
public sealed class GreedyPassage(Alphabet alphabet) : IPassageDecoder
{
    private readonly StringBuilder text = new();
    private readonly List<WordFrames> words = [];
    private string? written;
    private int wordStart = -1, first, last, frame, previous;

    /// <inheritdoc/>
    public string Text => written ??= text.ToString();

    /// <inheritdoc/>
    public int Stable => text.Length;

    /// <inheritdoc/>
    public void Advance(ReadOnlySpan<float> logits)
    {
        int label = BestLabel.Of(logits);
        if (label != alphabet.Blank)
        {
            bool isSpace = alphabet[label] == " ";
            if (label != previous)
            {
                if (isSpace)
                {
                    EndWord();
                }
                else if (wordStart < 0)
                {
                    (wordStart, first) = (text.Length, frame);
                }

                text.Append(alphabet[label]);
                written = null;
            }

            if (!isSpace)
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

/// <summary>The most likely label of a frame.</summary>
internal static class BestLabel
{
    /// <summary>Of equal scores the lowest label wins; a NaN never does.</summary>
    public static int Of(ReadOnlySpan<float> scores)
    {
        int best = 0;
        float highest = float.NegativeInfinity;
        for (int label = 0; label < scores.Length; label++)
            if (scores[label] > highest)
                (best, highest) = (label, scores[label]);
        return best;
    }
}
