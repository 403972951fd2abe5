using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

/// <summary>Every text that a few frames can spell, with the sum over all of its alignments.</summary>
internal static class BruteForce
{
    /// <summary>P_ctc of each sequence of labels, by going through all C^T alignments in double.</summary>
    public static Dictionary<string, double> Probabilities(float[] logits, int frames, Alphabet alphabet, double temperature = 1)
    {
        var all = new Dictionary<string, double>();
        Walk(logits, frames, alphabet, (path, probability) =>
        {
            string text = alphabet.Decode([.. path.Select(step => step.Label)]);
            all[text] = all.GetValueOrDefault(text) + probability;
        }, temperature);
        return all;
    }

    /// <summary>Goes through all alignments.</summary>
    /// <param name="logits">[T, C].</param>
    /// <param name="frames">T.</param>
    /// <param name="alphabet">The labels.</param>
    /// <param name="visit">Told of each the labels with the probability that each had in the frame that it was emitted in, and the alignment's probability at the temperature.</param>
    /// <param name="temperature">What logits are divided by, the blank's lowered by as much as it is above 1 before.</param>
    public static void Walk(float[] logits, int frames, Alphabet alphabet, Action<IReadOnlyList<(int Label, double Probability)>, double> visit, double temperature = 1)
    {
        int labels = alphabet.Size;
        double[,] heard = Softmax(1), softmax = Softmax(temperature);

        var path = new List<(int, double)>();
        Step(0, 1, 0);

        double[,] Softmax(double at)
        {
            var all = new double[frames, labels];
            for (int t = 0; t < frames; t++)
            {
                double sum = 0;
                for (int label = 0; label < labels; label++)
                    sum += all[t, label] = Math.Exp((logits[t * labels + label] - (label == 0 ? Math.Max(0, at - 1) : 0)) / at);
                for (int label = 0; label < labels; label++)
                    all[t, label] /= sum;
            }

            return all;
        }

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
                    path.Add((label, heard[t, label]));
                Step(t + 1, probability * softmax[t, label], label);
                if (writes)
                    path.RemoveAt(path.Count - 1);
            }
        }
    }

    /// <summary>Random logits, peaky or flat.</summary>
    public static float[] Logits(Random random, int frames, int labels, double scale) => [.. Enumerable.Range(0, frames * labels).Select(_ => (float)(scale * (2 * random.NextDouble() - 1)))];
}
