using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

/// <summary>Every text that a few frames can spell, with the sum over all of its alignments.</summary>
internal static class BruteForce
{
    /// <summary>P_ctc of each sequence of labels, by going through all C^T alignments in double.</summary>
    public static Dictionary<string, double> Probabilities(float[] logits, int frames, Alphabet alphabet)
    {
        var all = new Dictionary<string, double>();
        Walk(logits, frames, alphabet, (path, probability) =>
        {
            string text = alphabet.Decode([.. path.Select(step => step.Label)]);
            all[text] = all.GetValueOrDefault(text) + probability;
        });
        return all;
    }

    /// <summary>Goes through all alignments.</summary>
    /// <param name="logits">[T, C].</param>
    /// <param name="frames">T.</param>
    /// <param name="alphabet">The labels.</param>
    /// <param name="visit">Told of each the labels with the probability that each had in the frame that it was emitted in, and the alignment's probability.</param>
    public static void Walk(float[] logits, int frames, Alphabet alphabet, Action<IReadOnlyList<(int Label, double Probability)>, double> visit)
    {
        int labels = alphabet.Size;
        var softmax = new double[frames, labels];
        for (int t = 0; t < frames; t++)
        {
            double sum = 0;
            for (int label = 0; label < labels; label++)
                sum += softmax[t, label] = Math.Exp(logits[t * labels + label]);
            for (int label = 0; label < labels; label++)
                softmax[t, label] /= sum;
        }

        var path = new List<(int, double)>();
        Step(0, 1, 0);

        void Step(int t, double probability, int previous)
        {
            if (t == frames)
            {
                visit(path, probability);
                return;
            }

            for (int label = 0; label < labels; label++)
            {
                bool writes = label != 0 && label != previous;
                if (writes)
                    path.Add((label, softmax[t, label]));
                Step(t + 1, probability * softmax[t, label], label);
                if (writes)
                    path.RemoveAt(path.Count - 1);
            }
        }
    }

    /// <summary>Random logits, peaky or flat.</summary>
    public static float[] Logits(Random random, int frames, int labels, double scale) => [.. Enumerable.Range(0, frames * labels).Select(_ => (float)(scale * (2 * random.NextDouble() - 1)))];
}
