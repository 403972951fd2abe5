using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

/// <summary>Every text that a few frames can spell, with the sum over all of its alignments.</summary>
internal static class BruteForce
{
    /// <summary>P_ctc of each sequence of labels, by going through all C^T alignments in double.</summary>
    public static Dictionary<string, double> Probabilities(float[] logits, int frames, Alphabet alphabet)
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

        var all = new Dictionary<string, double>();
        Walk(0, 1, 0, []);
        return all;

        void Walk(int t, double probability, int previous, List<int> path)
        {
            if (t == frames)
            {
                string text = alphabet.Decode(path.ToArray());
                all[text] = all.GetValueOrDefault(text) + probability;
                return;
            }

            for (int label = 0; label < labels; label++)
            {
                bool writes = label != 0 && label != previous;
                if (writes)
                    path.Add(label);
                Walk(t + 1, probability * softmax[t, label], label, path);
                if (writes)
                    path.RemoveAt(path.Count - 1);
            }
        }
    }

    /// <summary>Random logits, peaky or flat.</summary>
    public static float[] Logits(Random random, int frames, int labels, double scale) => [.. Enumerable.Range(0, frames * labels).Select(_ => (float)(scale * (2 * random.NextDouble() - 1)))];
}
