using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Data.Augment;

/// <summary>Noise that is mixed into an utterance.</summary>
/// <param name="File">The recording.</param>
/// <param name="Position">Where the stretch starts, as a part in [0, 1) of the places where it can.</param>
/// <param name="Level">Its root mean square in units of the speech's.</param>
public sealed record NoiseExcerpt(string File, double Position, double Level);

/// <summary>What happens to the sound of one utterance in one epoch.</summary>
/// <param name="Tempo">Its speed in units of the old.</param>
/// <param name="Gain">Its change of level in decibels.</param>
/// <param name="Noise">What is mixed in; null for nothing.</param>
public sealed record AudioChange(double Tempo = 1, double Gain = 0, NoiseExcerpt? Noise = null)
{
    /// <summary>A changed copy of an utterance.</summary>
    /// <remarks>
    /// As in the benchmark's reference: first <c>sox tempo gain</c>, which clips at full scale; then, into what comes out of that, noise by
    /// y = x + level n rms(x) / rms(n) without clipping, where silence, which has no level to go by, stays as it is.
    /// </remarks>
    /// <param name="samples">Mono, 16 kHz, full scale at 1.</param>
    /// <exception cref="InputException">The noise cannot be read.</exception>
    public float[] Apply(ReadOnlySpan<float> samples)
    {
        float[] changed = TimeStretch.Apply(samples, Tempo);
        if (Gain != 0)
        {
            float factor = (float)Math.Pow(10, Gain / 20);
            for (int i = 0; i < changed.Length; i++)
                changed[i] = Math.Clamp(changed[i] * factor, -1, 1);
        }

        if (Noise is { } noise)
            Mix(changed, NoiseFolder.Excerpt(noise.File, noise.Position, changed.Length), noise.Level);
        return changed;
    }

    private static void Mix(float[] speech, float[] noise, double level)
    {
        double quiet = RootMeanSquare(noise);
        float factor = quiet > 0 ? (float)(level * RootMeanSquare(speech) / quiet) : 0;
        for (int i = 0; i < speech.Length; i++)
            speech[i] += factor * noise[i];
    }

    private static double RootMeanSquare(float[] samples)
    {
        double sum = 0;
        foreach (float sample in samples)
            sum += (double)sample * sample;
        return Math.Sqrt(sum / Math.Max(1, samples.Length));
    }
}

/// <summary>Changes training audio, differently in every epoch: tempo, level, noise.</summary>
/// <remarks>The ranges are those of the benchmark's reference. The changes are a function of (seed, epoch, utterance) alone, so that a resumed run repeats them, whatever the threads.</remarks>
/// <param name="TempoAndGain">Whether tempo and level are changed.</param>
/// <param name="Noise">The noise; null for none.</param>
/// <param name="NoiseProbability">The share of utterances that get noise.</param>
/// <param name="NoiseMax">The highest level of noise, in units of the speech's; levels are uniform in 0 .. this.</param>
public sealed record AudioAugment(bool TempoAndGain, NoiseFolder? Noise = null, double NoiseProbability = 0.4, double NoiseMax = 0.5)
{
    private const double SlowestTempo = 0.85, FastestTempo = 1.15, LowestGain = -6, HighestGain = 8;

    /// <summary>Tells this sequence of random numbers from that of <see cref="SpecAugment"/>: any constant.</summary>
    private const ulong Stream = 0x5C1B_9F6E_02D7_43A8;

    /// <summary>No utterance becomes longer than by this factor.</summary>
    public double LargestStretch => TempoAndGain ? 1 / SlowestTempo : 1;

    /// <summary>What happens to an utterance.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="utterance">The utterance's index in its corpus.</param>
    public AudioChange Draw(int seed, int epoch, int utterance)
    {
        var random = new SplitMix64(SplitMix64.For(seed, epoch, utterance).Next() ^ Stream);
        double tempo = random.Next(SlowestTempo, FastestTempo), gain = random.Next(LowestGain, HighestGain);
        AudioChange change = TempoAndGain ? new AudioChange(tempo, gain) : new AudioChange();
        if (Noise is null || random.Next(0.0, 1.0) >= NoiseProbability)
            return change;
        string file = Noise.Files[random.Next(Noise.Files.Count)];
        return change with { Noise = new NoiseExcerpt(file, random.Next(0.0, 1.0), random.Next(0.0, NoiseMax)) };
    }
}
