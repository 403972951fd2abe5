namespace Ds2.Runtime.Decoding.Alignment;

/// <summary>Where in an utterance each label of a given text was emitted: the most likely of all paths that CTC reads as that text.</summary>
/// <remarks>
/// Viterbi over CTC's lattice (Graves et al., 2006, section 4.1, with the maximum in place of the sum): states are blank, label, blank, …, label, blank; from one frame to
/// the next a path stays, goes one state on, or skips a blank between two different labels. The softmax's denominator is the same for all paths of a frame, so scores need none.
/// Of equal paths the one that came to its state latest wins. A NaN counts as impossible.
/// </remarks>
public static class CtcAlignment
{
    private const byte Stay = 0, Next = 1, Skip = 2;

    /// <summary>The frames that a text needs at least: one for each label, and one between two equal ones.</summary>
    /// <param name="labels">The text.</param>
    public static int LeastFrames(ReadOnlySpan<int> labels)
    {
        int frames = labels.Length;
        for (int i = 1; i < labels.Length; i++)
            frames += labels[i] == labels[i - 1] ? 1 : 0;
        return frames;
    }

    /// <summary>Aligns a text.</summary>
    /// <param name="logits">What the model says.</param>
    /// <param name="labels">The text, without blanks.</param>
    /// <param name="blank">The blank's label.</param>
    /// <returns>A span for each label, in order and without overlap; null where no path has the text, as it is longer than the frames allow or a label's scores are impossible.</returns>
    /// <exception cref="ArgumentException">A label is none of the logits', or is the blank.</exception>
    public static LabelSpan[]? Align(Logits logits, ReadOnlySpan<int> labels, int blank = 0)
    {
        ArgumentNullException.ThrowIfNull(logits);
        foreach (int label in labels)
        {
            if (label < 0 || label >= logits.Classes || label == blank)
                throw new ArgumentException($"label {label} is none of {logits.Classes} that a text can have", nameof(labels));
        }
        if (labels.Length == 0)
            return [];
        if (LeastFrames(labels) > logits.Frames)
            return null;
        int states = 2 * labels.Length + 1;
        var steps = new byte[(long)logits.Frames * states];
        double[] scores = Forward(logits, labels, blank, steps);
        int last = scores[states - 1] > scores[states - 2] ? states - 1 : states - 2;
        return double.IsNegativeInfinity(scores[last]) ? null : Trace(steps, logits.Frames, states, last);
    }

    /// <summary>Fills the table of steps, [frames, states], and returns the best scores of all states after the last frame.</summary>
    private static double[] Forward(Logits logits, ReadOnlySpan<int> labels, int blank, byte[] steps)
    {
        int states = 2 * labels.Length + 1;
        double[] scores = new double[states], previous = new double[states];
        Array.Fill(previous, double.NegativeInfinity);
        (previous[0], previous[1]) = (Score(logits.Row(0), blank), Score(logits.Row(0), labels[0]));
        for (int frame = 1; frame < logits.Frames; frame++)
        {
            ReadOnlySpan<float> row = logits.Row(frame);
            double blankScore = Score(row, blank);
            Span<byte> step = steps.AsSpan(frame * states, states);
            for (int s = 0; s < states; s++)
            {
                (double best, byte how) = (previous[s], Stay);
                if (s > 0 && previous[s - 1] >= best)
                    (best, how) = (previous[s - 1], Next);
                if (s > 2 && s % 2 == 1 && labels[s / 2] != labels[s / 2 - 1] && previous[s - 2] >= best)
                    (best, how) = (previous[s - 2], Skip);
                scores[s] = best + (s % 2 == 0 ? blankScore : Score(row, labels[s / 2]));
                step[s] = how;
            }
            (scores, previous) = (previous, scores);
        }
        return previous;
    }

    private static LabelSpan[] Trace(byte[] steps, int frames, int states, int state)
    {
        var spans = new LabelSpan[states / 2];
        int last = frames - 1;
        for (int frame = frames - 1; frame >= 0; frame--)
        {
            // The first frame's states have no step before them.
            int before = frame == 0 ? -1 : state - steps[frame * states + state];
            if (before == state)
                continue;
            if (state % 2 == 1)
                spans[state / 2] = new LabelSpan(frame, last);
            (state, last) = (before, frame - 1);
        }
        return spans;
    }

    private static double Score(ReadOnlySpan<float> row, int label) => float.IsNaN(row[label]) ? double.NegativeInfinity : row[label];
}
