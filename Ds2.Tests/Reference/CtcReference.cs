using Ds2.Kernels.Ops;

namespace Ds2.Tests.Reference;

/// <summary>Connectionist temporal classification in double: the recursions of the paper, in log space, an utterance at a time.</summary>
internal static class CtcReference
{
    /// <summary>The losses from log-probabilities [T, N, C].</summary>
    public static double[] Losses(CtcShape shape, double[] logProbabilities, int[] frames, int[][] texts) =>
        [.. Enumerable.Range(0, shape.N).Select(n => new Lattice(shape, logProbabilities, n, frames[n], texts[n]).Loss)];

    /// <summary>The gradient of scale * sum of the finite losses with respect to the logits: softmax minus occupancy.</summary>
    public static double[] Gradient(CtcShape shape, double[] logProbabilities, int[] frames, int[][] texts, double scale)
    {
        var gradient = new double[logProbabilities.Length];
        for (int n = 0; n < shape.N; n++)
        {
            var lattice = new Lattice(shape, logProbabilities, n, frames[n], texts[n]);
            if (double.IsInfinity(lattice.Loss))
                continue;
            for (int t = 0; t < frames[n]; t++)
            {
                double[] occupancy = lattice.Occupancy(t);
                for (int c = 0; c < shape.C; c++)
                    gradient[(t * shape.N + n) * shape.C + c] = scale * (Math.Exp(lattice.Y(t, c)) - occupancy[c]);
            }
        }

        return gradient;
    }

    /// <summary>The loss by its definition: the probabilities of all C^T paths that collapse to the text, added up.</summary>
    public static double LossByEnumeration(CtcShape shape, double[] logProbabilities, int n, int frames, int[] text)
    {
        double probability = 0;
        var path = new int[frames];
        for (long number = 0; number < (long)Math.Pow(shape.C, frames); number++)
        {
            double logarithm = 0;
            long digits = number;
            for (int t = 0; t < frames; t++, digits /= shape.C)
            {
                path[t] = (int)(digits % shape.C);
                logarithm += logProbabilities[(t * shape.N + n) * shape.C + path[t]];
            }

            if (Collapse(path, shape.Blank).SequenceEqual(text))
                probability += Math.Exp(logarithm);
        }

        return -Math.Log(probability);
    }

    // Repeats merged, then blanks removed.
    private static IEnumerable<int> Collapse(int[] path, int blank) => path.Where((label, t) => label != blank && (t == 0 || path[t - 1] != label));

    private sealed class Lattice
    {
        private readonly CtcShape shape;
        private readonly double[] logProbabilities;
        private readonly int n;
        private readonly int[] states;
        private readonly double[][] alpha;
        private readonly double[][] beta;

        public Lattice(CtcShape shape, double[] logProbabilities, int n, int frames, int[] text)
        {
            (this.shape, this.logProbabilities, this.n) = (shape, logProbabilities, n);
            states = new int[2 * text.Length + 1];
            Array.Fill(states, shape.Blank);
            for (int i = 0; i < text.Length; i++)
                states[2 * i + 1] = text[i];
            alpha = new double[frames][];
            beta = new double[frames][];
            for (int t = 0; t < frames; t++)
                alpha[t] = Row(s => Y(t, states[s]) + (t == 0 ? (s < 2 ? 0 : double.NegativeInfinity) : LogSum(Before(alpha[t - 1], s))));
            for (int t = frames - 1; t >= 0; t--)
                beta[t] = Row(s => t == frames - 1 ? (s >= states.Length - 2 ? 0 : double.NegativeInfinity) : LogSum(After(t + 1, s)));
            Loss = frames > 0 ? -LogSum(alpha[frames - 1].TakeLast(2)) : text.Length == 0 ? 0 : double.PositiveInfinity;
        }

        public double Loss { get; }

        public double Y(int t, int c) => logProbabilities[(t * shape.N + n) * shape.C + c];

        // The probability, given the text, that frame t speaks each class.
        public double[] Occupancy(int t)
        {
            var occupancy = new double[shape.C];
            for (int s = 0; s < states.Length; s++)
                occupancy[states[s]] += Math.Exp(alpha[t][s] + beta[t][s] + Loss);
            return occupancy;
        }

        private double[] Row(Func<int, double> value) => [.. Enumerable.Range(0, states.Length).Select(value)];

        private IEnumerable<double> Before(double[] row, int s)
        {
            for (int from = s; from >= Math.Max(0, s - 2); from--)
                if (MayStep(from, s))
                    yield return row[from];
        }

        private IEnumerable<double> After(int t, int s)
        {
            for (int to = s; to <= Math.Min(states.Length - 1, s + 2); to++)
                if (MayStep(s, to))
                    yield return beta[t][to] + Y(t, states[to]);
        }

        // A step of two skips a blank: only between two different labels.
        private bool MayStep(int from, int to) => to - from < 2 || (states[to] != shape.Blank && states[to] != states[from]);

        private static double LogSum(IEnumerable<double> terms)
        {
            double[] values = [.. terms];
            double largest = values.Max();
            return double.IsNegativeInfinity(largest) ? largest : largest + Math.Log(values.Sum(v => Math.Exp(v - largest)));
        }
    }
}
