using Ds2.Runtime.Decoding;

namespace Ds2.Runtime.Evaluation;

/// <summary>CTC's loss of texts that are known, from logits that have been computed anyway.</summary>
/// <remarks>
/// The forward recursion of <see cref="Layers.CtcCriterion"/> in double precision, a row at a time. The criterion of training keeps all rows for its gradient: frames times twice the text, which of a recording of an hour
/// is more than memory holds, and a validation set is never thinned. Rows stay in the log domain: a text that the model finds absurd has paths of e^-1000 beside its others.
/// </remarks>
internal static class CtcLoss
{
    /// <summary>The losses of a batch, computed side by side.</summary>
    /// <param name="logits">What the model says.</param>
    /// <param name="texts">[N]: what was said, as labels.</param>
    /// <param name="blank">The blank's label.</param>
    /// <returns>[N], nats; +inf where a text does not fit its frames.</returns>
    public static double[] Of(BatchLogits logits, IReadOnlyList<int[]> texts, int blank = 0)
    {
        var losses = new double[texts.Count];
        Parallel.For(0, losses.Length, i => losses[i] = Of(logits, i, texts[i], blank));
        return losses;
    }

    private static double Of(BatchLogits logits, int recording, int[] text, int blank)
    {
        int states = 2 * text.Length + 1, frames = logits.Frames[recording];
        // Row s + 2 is state s: a step reaches two states back.
        double[] alpha = new double[states + 2], before = new double[states + 2];
        Array.Fill(before, double.NegativeInfinity);
        Array.Fill(alpha, double.NegativeInfinity);
        before[1] = 0; // as if state -1 had been certain, so that states 0 and 1 can begin
        for (int frame = 0; frame < frames; frame++)
        {
            ReadOnlySpan<float> row = logits.Row(recording, frame);
            double denominator = LogSum(row);
            // No path has come further.
            int last = Math.Min(states - 1, 2 * frame + 1);
            for (int s = 0; s <= last; s++)
            {
                bool skips = s == 1 || s % 2 == 1 && text[s / 2] != text[s / 2 - 1];
                double emission = row[s % 2 == 0 ? blank : text[s / 2]] - denominator;
                alpha[s + 2] = emission + LogSum(before[s + 2], before[s + 1], skips ? before[s] : double.NegativeInfinity);
            }

            (alpha, before) = (before, alpha);
            alpha[1] = double.NegativeInfinity;
        }

        if (frames == 0)
            return text.Length == 0 ? 0 : double.PositiveInfinity;
        return -LogSum(before[states + 1], states > 1 ? before[states] : double.NegativeInfinity, double.NegativeInfinity);
    }

    private static double LogSum(double a, double b, double c)
    {
        double max = Math.Max(a, Math.Max(b, c));
        return double.IsNegativeInfinity(max) ? max : max + Math.Log(Math.Exp(a - max) + Math.Exp(b - max) + Math.Exp(c - max));
    }

    private static double LogSum(ReadOnlySpan<float> values)
    {
        double max = double.NegativeInfinity, sum = 0;
        foreach (float value in values)
            max = Math.Max(max, value);
        foreach (float value in values)
            sum += Math.Exp(value - max);
        return max + Math.Log(sum);
    }
}
