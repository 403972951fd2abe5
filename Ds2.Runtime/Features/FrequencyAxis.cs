namespace Ds2.Runtime.Features;

/// <summary>Which frequency each row of features stands for.</summary>
internal static class FrequencyAxis
{
    /// <summary>The highest frequency, that of half the sampling rate.</summary>
    public const double Nyquist = 8000;

    /// <summary>Rows along the axis: the features' own, or the filters that coefficients are made of.</summary>
    public static int RowsOf(FeatureKind kind) => kind switch
    {
        FeatureKind.Fbank80 => 80,
        FeatureKind.MfccRaw or FeatureKind.Fbank40 => Cepstrum.Filters,
        _ => Cepstrum.EnvelopeRows,
    };

    /// <summary>The frequency in the middle of a row, in Hz; also between two rows.</summary>
    public static double HertzOf(FeatureKind kind, double row)
    {
        int rows = RowsOf(kind);
        if (kind == FeatureKind.Spectrogram)
            return row * Nyquist / (rows - 1);
        double filter = (row + 0.5) * FiltersOf(kind) / rows - 0.5;
        return Cepstrum.MelToHertz(Cepstrum.HertzToMel(Nyquist) * (filter + 1) / (FiltersOf(kind) + 1));
    }

    /// <summary>The inverse of <see cref="HertzOf"/>.</summary>
    public static double RowOf(FeatureKind kind, double hertz)
    {
        int rows = RowsOf(kind);
        if (kind == FeatureKind.Spectrogram)
            return hertz * (rows - 1) / Nyquist;
        double filter = Cepstrum.HertzToMel(hertz) * (FiltersOf(kind) + 1) / Cepstrum.HertzToMel(Nyquist) - 1;
        return (filter + 0.5) * rows / FiltersOf(kind) - 0.5;
    }

    private static int FiltersOf(FeatureKind kind) => kind == FeatureKind.Fbank80 ? 80 : Cepstrum.Filters;
}
