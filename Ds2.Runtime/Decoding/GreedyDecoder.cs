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
        if (logits.Length != (long)t * n * labels)
            throw new ArgumentException($"{logits.Length} logits are not [{t}, {n}, {labels}]", nameof(logits));
        if (frames.Length != n)
            throw new ArgumentException($"{frames.Length} frame counts for {n} utterances", nameof(frames));
        var texts = new string[n];
        var path = new List<int>(t);
        for (int i = 0; i < n; i++)
        {
            if (frames[i] < 0 || frames[i] > t)
                throw new ArgumentException($"utterance {i} has {frames[i]} frames of {t}", nameof(frames));
            path.Clear();
            int previous = alphabet.Blank;
            for (int frame = 0; frame < frames[i]; frame++)
            {
                int best = ArgMax(logits.Slice((frame * n + i) * labels, labels));
                if (best != previous && best != alphabet.Blank)
                    path.Add(best);
                previous = best;
            }
            texts[i] = alphabet.Decode([.. path]);
        }
        return texts;
    }

    private static int ArgMax(ReadOnlySpan<float> scores)
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
