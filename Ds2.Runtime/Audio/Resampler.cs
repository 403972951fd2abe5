using System.Collections.Concurrent;
using System.Numerics;
using MathNet.Numerics;

namespace Ds2.Runtime.Audio;

/// <summary>Changes the sample rate by a rational factor with a Kaiser-windowed sinc, split into its phases.</summary>
/// <remarks>
/// y[i] = sum_k x[k] h(i M / L - k) with L / M = to / from in lowest terms; h is the ideal low-pass at 0.95 of the lower Nyquist frequency,
/// 32 zero crossings to each side under a Kaiser window of beta 10 (about 100 dB of stop band). Output i only ever meets phase (i M) mod L of h,
/// so the L phases are tabulated, each scaled to pass a constant unchanged. Source: Smith, Digital Audio Resampling, 2002. Thread-safe.
/// </remarks>
public sealed class Resampler
{
    private const int ZeroCrossings = 32;
    private const double RollOff = 0.95, Beta = 10;

    /// <summary>The largest table, 16 MB: enough for any rate below 16 kHz, and for the usual ones above.</summary>
    private const int MostValues = 1 << 22;

    /// <summary>Pairs of rates whose tables are kept; a corpus has a few.</summary>
    private const int MostPairs = 16;

    private static readonly ConcurrentDictionary<(int, int), Resampler> Cache = new();

    private readonly int up, down, taps;
    private readonly float[] phases; // [up, taps]

    private Resampler(int from, int to)
    {
        (up, down, taps) = Sizes(from, to);
        double cutoff = Cutoff(from, to);
        double half = ZeroCrossings / cutoff;
        phases = new float[(long)up * taps];
        var exact = new double[taps];
        for (int phase = 0; phase < up; phase++)
            FillPhase(phases.AsSpan(phase * taps, taps), exact, (double)phase / up, cutoff, half);
    }

    /// <summary>The resampler for a pair of rates; tables are built once a pair, for the first few pairs.</summary>
    /// <param name="from">Input rate.</param>
    /// <param name="to">Output rate.</param>
    public static Resampler For(int from, int to)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(from);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(to);
        if (Cache.TryGetValue((from, to), out Resampler? known))
            return known;
        return Cache.Count < MostPairs ? Cache.GetOrAdd((from, to), pair => new Resampler(pair.Item1, pair.Item2)) : new Resampler(from, to);
    }

    /// <summary>Whether the ratio's table has a bearable size: 44100 to 16000 is 160 to 441, but 767999 to 16000 cannot be reduced.</summary>
    /// <param name="from">Input rate.</param>
    /// <param name="to">Output rate.</param>
    public static bool IsFeasible(int from, int to) => Sizes(from, to) is var (up, _, taps) && (long)up * taps <= MostValues;

    /// <summary>How many samples <see cref="Resample"/> makes of so many.</summary>
    internal static long LengthOf(long samples, int from, int to)
    {
        long divisor = Euclid.GreatestCommonDivisor(from, to);
        return (samples * (to / divisor) + from / divisor - 1) / (from / divisor);
    }

    /// <summary>Resamples a whole signal; beyond its ends it counts as silence.</summary>
    /// <param name="samples">Samples at the input rate.</param>
    /// <returns>ceil(n L / M) samples at the output rate; the first of both fall together.</returns>
    public float[] Resample(ReadOnlySpan<float> samples)
    {
        // Silence of half a filter at both ends: every window then lies inside the array.
        var padded = new float[samples.Length + 2 * Margin];
        samples.CopyTo(padded.AsSpan(Margin));
        var output = new float[LengthOf(samples.Length, down, up)];
        for (int i = 0; i < output.Length; i++)
            output[i] = Sample(padded, -Margin, i);
        return output;
    }

    /// <summary>Input samples to each side that an output needs.</summary>
    internal int Margin => taps / 2;

    /// <summary>How many outputs so many input samples suffice for, those that come later not being silence.</summary>
    internal long OutputsBefore(long samples) => samples <= Margin ? 0 : ((samples - Margin) * up + down - 1) / down;

    /// <summary>The first input sample that an output needs.</summary>
    internal long FirstInput(long output) => output * down / up - Margin + 1;

    /// <summary>How many outputs there are of so many samples in all.</summary>
    internal long LengthOf(long samples) => LengthOf(samples, down, up);

    /// <summary>One output.</summary>
    /// <param name="samples">Input samples, those that it needs among them.</param>
    /// <param name="first">The number of the first of them.</param>
    /// <param name="output">The output's number.</param>
    internal float Sample(ReadOnlySpan<float> samples, long first, long output)
    {
        // Tap j of a phase stands for input sample FirstInput + j.
        long phase = output * down % up;
        return Dot(samples.Slice((int)(FirstInput(output) - first), taps), phases.AsSpan((int)phase * taps, taps));
    }

    private static (int Up, int Down, int Taps) Sizes(int from, int to)
    {
        int divisor = (int)Euclid.GreatestCommonDivisor(from, to);
        return (to / divisor, from / divisor, 2 * (int)Math.Ceiling(ZeroCrossings / Cutoff(from, to)));
    }

    /// <summary>In units of the input's Nyquist frequency.</summary>
    private static double Cutoff(int from, int to) => RollOff * Math.Min(1, (double)to / from);

    private static void FillPhase(Span<float> phase, Span<double> exact, double fraction, double cutoff, double half)
    {
        int margin = phase.Length / 2;
        double sum = 0;
        for (int j = 0; j < phase.Length; j++)
        {
            double x = fraction - (j + 1 - margin);
            double inside = 1 - x / half * (x / half);
            exact[j] = inside <= 0 ? 0 : Sinc(Math.PI * cutoff * x) * SpecialFunctions.BesselI0(Beta * Math.Sqrt(inside));
            sum += exact[j];
        }
        for (int j = 0; j < phase.Length; j++)
            phase[j] = (float)(exact[j] / sum);
    }

    private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(x) / x;

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Vector<float> sums = Vector<float>.Zero;
        int i = 0;
        for (; i <= a.Length - Vector<float>.Count; i += Vector<float>.Count)
            sums = Vector.MultiplyAddEstimate(new Vector<float>(a[i..]), new Vector<float>(b[i..]), sums);
        float sum = Vector.Sum(sums);
        for (; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }
}
