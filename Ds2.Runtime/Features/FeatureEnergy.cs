namespace Ds2.Runtime.Features;

/// <summary>Energies of frequencies in features, and features of energies: what sounds that meet in the air, or in a room, add up in.</summary>
/// <remarks>Coefficients hold a smoothed spectrum: its energies come back as they were, those of a sum as far as 13 coefficients hold it.</remarks>
internal static class FeatureEnergy
{
    /// <summary>The largest exponent, some 870 dB: stored coefficients may be of any size, and their energies and sums are to stay finite.</summary>
    private const double Largest = 200;

    /// <summary>A decibel as a natural logarithm of energies.</summary>
    private static readonly double Decibel = Math.Log(10) / 10;

    /// <summary>Decibels of an envelope drawn from coefficients: their orthonormal transform has fewer filters than the envelope has rows.</summary>
    private static readonly double EnvelopeScale = Math.Sqrt((double)Cepstrum.EnvelopeRows / Cepstrum.Filters);

    /// <summary>The energies that features stand for.</summary>
    /// <param name="features">Not normalized; not changed.</param>
    /// <param name="kind">What they are.</param>
    /// <returns>[<see cref="FrequencyAxis.RowsOf"/>, frames].</returns>
    public static double[] Of(FeatureMatrix features, FeatureKind kind) => kind switch
    {
        FeatureKind.Spectrogram => Array.ConvertAll(features.Values, value => Square(Power(value) - 1)),
        FeatureKind.Mfcc => Array.ConvertAll(features.Values, value => Power(Decibel * EnvelopeScale * value)),
        FeatureKind.MfccRaw => Array.ConvertAll(Cepstrum.ToDecibels(features).Values, value => Power(Decibel * value)),
        _ => Array.ConvertAll(features.Values, value => Power(Decibel * value)),
    };

    /// <summary>The features of energies.</summary>
    /// <param name="energies">[<see cref="FrequencyAxis.RowsOf"/>, frames], positive.</param>
    /// <param name="frames">Frames.</param>
    /// <param name="kind">What they are to be.</param>
    public static FeatureMatrix ToFeatures(double[] energies, int frames, FeatureKind kind)
    {
        float[] values = kind switch
        {
            FeatureKind.Spectrogram => Array.ConvertAll(energies, energy => (float)Math.Log(1 + Math.Sqrt(energy))),
            FeatureKind.Mfcc => Array.ConvertAll(energies, energy => (float)(Math.Log(energy) / (Decibel * EnvelopeScale))),
            _ => Array.ConvertAll(energies, energy => (float)(Math.Log(energy) / Decibel)),
        };
        var rows = new FeatureMatrix(values, energies.Length / frames, frames);
        return kind == FeatureKind.MfccRaw ? Cepstrum.FromDecibels(rows) : rows;
    }

    private static double Power(double exponent) => Math.Exp(Math.Clamp(exponent, -Largest, Largest));

    private static double Square(double x) => x * x;
}
