using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Augment;

/// <summary>Puts training features into a room, differently in every epoch: noise that is made on the fly, and reverberation; the recording itself is not needed.</summary>
/// <remarks>
/// <para>
/// Both add energies. Noise is stationary, of a colour between white and that of traffic: its level falls as f^-2 to rises as f^0.5, 5 to 35 dB under the utterance's mean, and each value of it varies as the energy of
/// Gaussian noise in a band that a frame sees two independent parts of. Reverberation is what is left of the frames before: an exponential decay to -60 dB in 0.2 to 0.8 s, its energy 0 to 20 dB under the direct sound's (the
/// model of Lebart, Boucher and Denbigh, "A new method based on spectral subtraction for speech dereverberation", 2001).
/// </para>
/// <para>All is a function of (seed, epoch, utterance), so that a resumed run repeats it, whatever the threads.</para>
/// </remarks>
/// <param name="Noise">The share of utterances that get noise.</param>
/// <param name="Reverb">The share of utterances that get reverberation.</param>
public readonly record struct FeatureRoom(double Noise = 0, double Reverb = 0)
{
    /// <summary>Tells this sequence of random numbers from those of the other augmentations: any constant.</summary>
    private const ulong Stream = 0x41E8_0B7C_D5F2_963A;

    private const double LeastSignalToNoise = 5, MostSignalToNoise = 35, SteepestFall = -2, SteepestRise = 0.5;
    private const double ShortestDecay = 0.2, LongestDecay = 0.8, MostDirectToReverberant = 20, FrameSeconds = 0.01;

    /// <summary>Added to a frequency, in Hz, before it is raised to the slope's power, so that the level has an end towards zero.</summary>
    private const double Knee = 100;

    /// <summary>Whether it does anything.</summary>
    public bool IsOn => Noise > 0 || Reverb > 0;

    /// <summary>A changed copy of an utterance's features, or one that is not changed, where it gets neither.</summary>
    /// <param name="features">Not normalized; not changed.</param>
    /// <param name="kind">What they are.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="utterance">The utterance's index in its corpus.</param>
    public FeatureMatrix Apply(FeatureMatrix features, FeatureKind kind, int seed, int epoch, int utterance)
    {
        ArgumentNullException.ThrowIfNull(features);
        var random = new SplitMix64(SplitMix64.For(seed, epoch, utterance).Next() ^ Stream);
        bool isNoisy = random.Next(0.0, 1.0) < Noise, isReverberant = random.Next(0.0, 1.0) < Reverb;
        if (!isNoisy && !isReverberant)
            return features with { Values = [.. features.Values] };
        double[] energies = FeatureEnergy.Of(features, kind);
        if (isReverberant)
            Reverberate(energies, features.Frames, random.Next(ShortestDecay, LongestDecay), random.Next(0, MostDirectToReverberant));
        if (isNoisy)
            AddNoise(energies, features.Frames, kind, random.Next(LeastSignalToNoise, MostSignalToNoise), random.Next(SteepestFall, SteepestRise), ref random);
        return FeatureEnergy.ToFeatures(energies, features.Frames, kind);
    }

    /// <summary>Adds what is left of the frames before.</summary>
    /// <param name="energies">[rows, frames]; overwritten.</param>
    /// <param name="frames">Frames.</param>
    /// <param name="seconds">The time in which the energy falls to a millionth.</param>
    /// <param name="decibels">The direct sound's energy over that of all that is left of it.</param>
    internal static void Reverberate(double[] energies, int frames, double seconds, double decibels)
    {
        double decay = Math.Pow(10, -6 * FrameSeconds / seconds), share = (1 - decay) * Math.Pow(10, -decibels / 10);
        for (int first = 0; first < energies.Length; first += frames)
        {
            double left = 0;
            foreach (ref double energy in energies.AsSpan(first, frames))
            {
                double direct = energy;
                energy += share * left;
                left = decay * left + direct;
            }
        }
    }

    /// <summary>Adds noise.</summary>
    /// <param name="energies">[rows, frames]; overwritten.</param>
    /// <param name="frames">Frames.</param>
    /// <param name="kind">What they are energies of.</param>
    /// <param name="decibels">Their mean over the noise's.</param>
    /// <param name="slope">The noise's energy goes with the frequency to this power.</param>
    /// <param name="random">Where its values come from.</param>
    internal static void AddNoise(double[] energies, int frames, FeatureKind kind, double decibels, double slope, ref SplitMix64 random)
    {
        int rows = energies.Length / frames;
        double[] levels = [.. Enumerable.Range(0, rows).Select(row => Math.Pow(FrequencyAxis.HertzOf(kind, row) + Knee, slope))];
        double scale = energies.Average() * Math.Pow(10, -decibels / 10) / levels.Average();
        for (int row = 0; row < rows; row++)
        {
            // The mean of two exponential variates, whose logarithms' sum is that of the product.
            foreach (ref double energy in energies.AsSpan(row * frames, frames))
                energy += scale * levels[row] * -0.5 * Math.Log((1 - random.Next(0.0, 1.0)) * (1 - random.Next(0.0, 1.0)));
        }
    }
}
