namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Stands a few values for many: those that make the sum of squared differences small.</summary>
/// <remarks>Lloyd's algorithm (Least squares quantization in PCM, 1982) in one dimension, started from bins of equal counts (Federico and Bertoldi, How many bits are
/// needed to store probabilities for phrase-based translation?, 2006), which is what KenLM's quantisation stops at.</remarks>
internal sealed class Quantizer
{
    private const int Iterations = 30;
    private readonly float[] limits;

    /// <summary>Chooses the values.</summary>
    /// <param name="samples">What is to be quantised; sorted by this.</param>
    /// <param name="most">At most so many values.</param>
    public Quantizer(float[] samples, int most)
    {
        Array.Sort(samples);
        var sums = new double[samples.Length + 1];
        int distinct = 0;
        for (int i = 0; i < samples.Length; i++)
        {
            sums[i + 1] = sums[i] + samples[i];
            distinct += i == 0 || samples[i] != samples[i - 1] ? 1 : 0;
        }
        if (distinct <= most)
        {
            Values = [.. samples.Distinct()];
        }
        else
        {
            var starts = new int[most + 1];
            for (int bin = 0; bin <= most; bin++)
                starts[bin] = (int)((long)bin * samples.Length / most);
            Values = Means(samples, sums, starts);
            for (int iteration = 0; iteration < Iterations; iteration++)
            {
                starts = new int[Values.Length + 1];
                starts[^1] = samples.Length;
                for (int bin = 1; bin < Values.Length; bin++)
                    starts[bin] = FirstAbove(samples, (Values[bin - 1] + Values[bin]) / 2);
                float[] better = Means(samples, sums, starts);
                if (better.AsSpan().SequenceEqual(Values))
                    break;
                Values = better;
            }
        }
        limits = new float[Math.Max(0, Values.Length - 1)];
        for (int i = 0; i < limits.Length; i++)
            limits[i] = (Values[i] + Values[i + 1]) / 2;
    }

    /// <summary>The values, ascending.</summary>
    public float[] Values { get; }

    /// <summary>The index of the value nearest to a sample.</summary>
    public int Code(float sample)
    {
        int low = 0, high = limits.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sample > limits[middle])
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    /// <summary>The mean of each bin that is not empty, ascending and without repetition.</summary>
    private static float[] Means(float[] samples, double[] sums, int[] starts)
    {
        var means = new List<float>(starts.Length - 1);
        for (int bin = 0; bin + 1 < starts.Length; bin++)
        {
            int from = starts[bin], to = starts[bin + 1];
            if (from == to)
                continue;

            // Equal samples have themselves as mean, which their rounded sum may miss.
            float mean = samples[from] == samples[to - 1] ? samples[from] : (float)((sums[to] - sums[from]) / (to - from));
            if (means.Count == 0 || mean > means[^1])
                means.Add(mean);
        }
        return [.. means];
    }

    private static int FirstAbove(float[] sorted, float limit)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (int)(((uint)low + (uint)high) / 2);
            if (sorted[middle] > limit)
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }
}
