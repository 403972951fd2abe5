using Ds2.Runtime.Text;

namespace Ds2.Runtime.Decoding;

/// <summary>Reads text off a model's output by taking the most likely label of each frame.</summary>
/// <remarks>Best path decoding (Graves et al., 2006, section 3.2): runs of one label become one, then blanks are dropped, so a doubled letter needs a blank between.
/// Of equal scores the lowest label wins. A NaN never wins.</remarks>
/// <param name="alphabet">The labels.</param>
public sealed class GreedyDecoder(Alphabet alphabet) : IDecoder
{
    /// <inheritdoc/>
    /// <remarks>The logits may be scores before or after the softmax, the order of labels being the same.</remarks>
    public string[] Decode(ReadOnlySpan<float> logits, int t, int n, ReadOnlySpan<int> frames)
    {
        int labels = alphabet.Size;
        LogitBatch.Require(logits, t, n, labels, frames);
        var texts = new string[n];
        var path = new List<int>(t);
        for (int i = 0; i < n; i++)
        {
            path.Clear();
            int previous = alphabet.Blank;
            for (int frame = 0; frame < frames[i]; frame++)
            {
                int best = BestLabel(logits.Slice((frame * n + i) * labels, labels));
                if (best != previous && best != alphabet.Blank)
                    path.Add(best);
                previous = best;
            }
            texts[i] = alphabet.Decode([.. path]);
        }
        return texts;
    }

    /// <summary>The most likely label of a frame.</summary>
    internal static int BestLabel(ReadOnlySpan<float> scores)
    {
        int best = 0;
        float highest = float.NegativeInfinity;
        for (int label = 0; label < scores.Length; label++)
        {
            if (scores[label] > highest)
                (best, highest) = (label, scores[label]);
        }
        return best;
    }
}
