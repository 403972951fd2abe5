using System.Numerics;

namespace Ds2.Runtime.Audio;

/// <summary>Makes speech faster or slower and leaves its pitch as it is: WSOLA, overlap and add guided by waveform similarity.</summary>
/// <remarks>
/// <para>
/// The output is a chain of input segments of 82 ms, each cross-faded over 12 ms into the next. Segment k should start at k hop tempo in the input, hop being
/// the length that a segment adds to the output; it is moved by up to half of 14.68 ms to where its first 12 ms are closest, in squared difference, to the samples that followed the
/// segment before in the input. Waves then go on in phase, so that neither pitch nor voice change. Within a segment nothing is altered.
/// </para>
/// <para>
/// Source: Verhelst and Roelands, An overlap-add technique based on waveform similarity (WSOLA) for high quality time-scale modification of speech, ICASSP 1993.
/// The three lengths are the defaults that the manual of SoX gives for its effect <c>tempo</c>, which the benchmark's reference uses.
/// </para>
/// </remarks>
public static class TimeStretch
{
    private const double SegmentSeconds = 0.082, OverlapSeconds = 0.012, SearchSeconds = 0.01468;

    /// <summary>Changes the tempo.</summary>
    /// <param name="samples">The sound.</param>
    /// <param name="tempo">The new tempo in units of the old; 1.1 shortens the sound by a tenth of its new length.</param>
    /// <param name="sampleRate">Samples a second.</param>
    /// <returns>n / tempo samples, rounded; at least one where there was one. A tempo of 1 gives a copy.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The tempo is not positive and finite.</exception>
    public static float[] Apply(ReadOnlySpan<float> samples, double tempo, int sampleRate = AudioFile.SampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tempo);
        ArgumentOutOfRangeException.ThrowIfEqual(double.IsFinite(tempo), false, nameof(tempo));
        if (tempo == 1 || samples.IsEmpty)
            return samples.ToArray();
        int segment = (int)(SegmentSeconds * sampleRate), overlap = (int)(OverlapSeconds * sampleRate), search = (int)(SearchSeconds * sampleRate);
        int hop = segment - overlap;
        var output = new float[checked((int)Math.Max(1, Math.Round(samples.Length / tempo)))];

        // Silence beyond both ends: every segment that may be looked at lies inside the array, sample i at margin + i.
        int margin = search / 2, steps = (output.Length + hop - 1) / hop;
        long lastStart = (long)Math.Round((steps - 1) * hop * tempo);
        var padded = new float[checked((int)Math.Max(margin + samples.Length, lastStart + 2 * margin + hop + segment) + 1)];
        samples.CopyTo(padded.AsSpan(margin));

        int start = margin;
        for (int k = 0; k < steps; k++)
        {
            Span<float> target = output.AsSpan(k * hop);
            if (k == 0)
            {
                Copy(padded.AsSpan(start, hop), target);
                continue;
            }

            ReadOnlySpan<float> continuation = padded.AsSpan(start + hop, overlap);
            int earliest = (int)Math.Round(k * hop * tempo);
            start = earliest + MostSimilar(continuation, padded.AsSpan(earliest, 2 * margin + overlap));
            ReadOnlySpan<float> next = padded.AsSpan(start, hop);
            CrossFade(continuation, next, target);
            if (target.Length > overlap)
                Copy(next[overlap..], target[overlap..]);
        }
        return output;
    }

    /// <summary>The offset at which the window resembles the template most; of equal ones the first.</summary>
    private static int MostSimilar(ReadOnlySpan<float> template, ReadOnlySpan<float> window)
    {
        int best = 0;
        float least = float.PositiveInfinity;
        for (int offset = 0; offset <= window.Length - template.Length; offset++)
        {
            float difference = SquaredDifference(template, window.Slice(offset, template.Length));
            if (difference < least)
                (best, least) = (offset, difference);
        }
        return best;
    }

    private static float SquaredDifference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Vector<float> sums = Vector<float>.Zero;
        int i = 0;
        for (; i <= a.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> difference = new Vector<float>(a[i..]) - new Vector<float>(b[i..]);
            sums = Vector.MultiplyAddEstimate(difference, difference, sums);
        }
        float sum = Vector.Sum(sums);
        for (; i < a.Length; i++)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        return sum;
    }

    /// <summary>Linear, as the two agree in phase: their amplitudes add up, not their powers.</summary>
    private static void CrossFade(ReadOnlySpan<float> from, ReadOnlySpan<float> to, Span<float> target)
    {
        int count = Math.Min(from.Length, target.Length);
        for (int i = 0; i < count; i++)
        {
            float share = (i + 0.5f) / from.Length;
            target[i] = from[i] + (to[i] - from[i]) * share;
        }
    }

    private static void Copy(ReadOnlySpan<float> from, Span<float> to) => from[..Math.Min(from.Length, to.Length)].CopyTo(to);
}
