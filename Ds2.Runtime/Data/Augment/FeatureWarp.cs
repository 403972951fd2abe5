using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Augment;

/// <summary>Gives training features another tempo and another vocal tract, differently in every epoch; the recording itself is not needed.</summary>
/// <remarks>
/// <para>
/// Tempo: frames are interpolated linearly at a uniform rate. Vocal tract: each row takes the value of a frequency that is higher or lower by a factor, up to a corner from which on the rest is
/// squeezed or stretched so that half the sampling rate stays where it is (Jaitly and Hinton, "Vocal Tract Length Perturbation improves speech recognition", 2013). Cepstral coefficients are
/// warped as the filters' levels that they describe: a matrix of 13 x 13.
/// </para>
/// <para>
/// Formants: the same with a factor for each of six regions of the axis, on its own, and straight lines between them: vocal tracts differ not only in length, and accents differ in vowels.
/// </para>
/// <para>All are a function of (seed, epoch, utterance), so that a resumed run repeats them, whatever the threads.</para>
/// </remarks>
/// <param name="Tempo">The tempo is uniform in 1 - this .. 1 + this.</param>
/// <param name="Warp">The factor of frequencies is uniform in 1 - this .. 1 + this.</param>
/// <param name="Formants">The factor of each region is uniform in 1 - this .. 1 + this; at most <see cref="MostFormants"/>.</param>
public readonly record struct FeatureWarp(double Tempo = 0, double Warp = 0, double Formants = 0)
{
    /// <summary>Tells this sequence of random numbers from those of the other augmentations: any constant.</summary>
    private const ulong Stream = 0x93D7_65AA_18C4_E0F1;

    /// <summary>The frequency above which the axis bends back, in Hz, for a factor of 1: formants that tell vowels lie below.</summary>
    private const double Corner = 4800;

    /// <summary>Up to here the axis rises whatever is drawn: neighbouring regions do not pass one another.</summary>
    public const double MostFormants = 0.15;

    /// <summary>The middles of the regions that are moved, in Hz: some speaker's first formant low and high, the second low, middle and high, the third and fourth.</summary>
    private static readonly double[] Regions = [300, 700, 1300, 2000, 2900, 4200];

    /// <summary>Whether it does anything.</summary>
    public bool IsOn => Tempo > 0 || Warp > 0 || Formants > 0;

    /// <summary>No utterance becomes longer than by this factor.</summary>
    public double LargestStretch => 1 / (1 - Tempo);

    /// <summary>A changed copy of an utterance's features.</summary>
    /// <param name="features">Not normalized; not changed.</param>
    /// <param name="kind">What they are.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="utterance">The utterance's index in its corpus.</param>
    public FeatureMatrix Apply(FeatureMatrix features, FeatureKind kind, int seed, int epoch, int utterance)
    {
        ArgumentNullException.ThrowIfNull(features);
        var random = new SplitMix64(SplitMix64.For(seed, epoch, utterance).Next() ^ Stream);
        double tempo = random.Next(1 - Tempo, 1 + Tempo), factor = random.Next(1 - Warp, 1 + Warp);
        FeatureMatrix played = Tempo > 0 ? AtTempo(features, tempo) : features;
        if (Warp == 0 && Formants == 0)
            return played;
        var factors = new double[Regions.Length];
        foreach (ref double each in factors.AsSpan())
            each = random.Next(1 - Formants, 1 + Formants);
        return Moved(played, kind, hertz => Heard(Bent(hertz, factors), factor));
    }

    /// <summary>Features at another tempo.</summary>
    /// <param name="features">Not changed.</param>
    /// <param name="tempo">The speed in units of the old.</param>
    internal static FeatureMatrix AtTempo(FeatureMatrix features, double tempo)
    {
        int frames = (int)((features.Frames - 1) / tempo) + 1;
        var result = new FeatureMatrix(new float[features.Rows * frames], features.Rows, frames);
        for (int t = 0; t < frames; t++)
        {
            Tap tap = Tap.At(t * tempo, features.Frames);
            for (int row = 0; row < features.Rows; row++)
                result.Values[row * frames + t] = tap.Of(features.Values, row * features.Frames, 1);
        }

        return result;
    }

    /// <summary>Features as of a vocal tract that is shorter by a factor, where that is below 1, or longer.</summary>
    /// <param name="features">Not changed.</param>
    /// <param name="kind">What they are.</param>
    /// <param name="factor">What a row's frequency is multiplied with to find the one that it takes its value from.</param>
    internal static FeatureMatrix Warped(FeatureMatrix features, FeatureKind kind, double factor) => Moved(features, kind, hertz => Heard(hertz, factor));

    /// <summary>The frequency whose value another one takes, where each region has a factor of its own.</summary>
    /// <param name="hertz">0 to half the sampling rate.</param>
    /// <param name="factors">One for each region.</param>
    internal static double Bent(double hertz, ReadOnlySpan<double> factors)
    {
        double low = 0, lowHeard = 0;
        for (int i = 0; i < Regions.Length; low = Regions[i], lowHeard = Regions[i] * factors[i], i++)
        {
            if (hertz < Regions[i])
                return lowHeard + (Regions[i] * factors[i] - lowHeard) * (hertz - low) / (Regions[i] - low);
        }

        return lowHeard + (FrequencyAxis.Nyquist - lowHeard) * (hertz - low) / (FrequencyAxis.Nyquist - low);
    }

    /// <summary>The frequency whose value another one takes.</summary>
    internal static double Heard(double hertz, double factor)
    {
        double corner = Corner * Math.Min(factor, 1);
        return hertz * factor <= corner ? hertz * factor
            : FrequencyAxis.Nyquist - (FrequencyAxis.Nyquist - corner) / (FrequencyAxis.Nyquist - corner / factor) * (FrequencyAxis.Nyquist - hertz);
    }

    /// <summary>Features each of whose rows takes the value of another frequency.</summary>
    private static FeatureMatrix Moved(FeatureMatrix features, FeatureKind kind, Func<double, double> heard)
    {
        int rows = FrequencyAxis.RowsOf(kind);
        var taps = new Tap[rows];
        for (int row = 0; row < rows; row++)
            taps[row] = Tap.At(FrequencyAxis.RowOf(kind, heard(FrequencyAxis.HertzOf(kind, row))), rows);
        return kind == FeatureKind.MfccRaw ? Cepstrum.Transform(features, levels => Interpolate(levels, taps)) : Interpolate(features, taps);
    }

    private static FeatureMatrix Interpolate(FeatureMatrix features, Tap[] taps)
    {
        var result = new FeatureMatrix(new float[features.Values.Length], features.Rows, features.Frames);
        for (int row = 0; row < features.Rows; row++)
        {
            Span<float> target = result.Row(row);
            for (int t = 0; t < target.Length; t++)
                target[t] = taps[row].Of(features.Values, t, features.Frames);
        }

        return result;
    }

    /// <summary>A place between two values.</summary>
    private readonly record struct Tap(int First, int Second, float Share)
    {
        /// <summary>The place that is nearest to a position among so many values.</summary>
        public static Tap At(double position, int count)
        {
            double inside = Math.Clamp(position, 0, count - 1);
            int first = (int)inside;
            return new Tap(first, Math.Min(first + 1, count - 1), (float)(inside - first));
        }

        public float Of(float[] values, int start, int stride)
        {
            float low = values[start + First * stride];
            return low + Share * (values[start + Second * stride] - low);
        }
    }
}
