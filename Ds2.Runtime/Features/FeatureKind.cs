namespace Ds2.Runtime.Features;

/// <summary>What the model sees of a recording.</summary>
public enum FeatureKind
{
    /// <summary>The first 13 mel-frequency cepstral coefficients of each frame, rendered back as a spectrogram of 161 rows.</summary>
    Mfcc,

    /// <summary>The 13 coefficients themselves.</summary>
    MfccRaw,

    /// <summary>log(1 + magnitude) of the 161 bins of a 20 ms window.</summary>
    Spectrogram,

    /// <summary>The levels of 40 mel filters in decibels, of which the MFCCs are made.</summary>
    Fbank40,

    /// <summary>The levels of 80 mel filters in decibels.</summary>
    Fbank80,
}

/// <summary>What is known of each kind.</summary>
public static class FeatureKinds
{
    /// <summary>The kind's name to users: <c>mfcc-raw</c>.</summary>
    public static string Name(this FeatureKind kind) => kind switch
    {
        FeatureKind.Mfcc => "mfcc",
        FeatureKind.MfccRaw => "mfcc-raw",
        FeatureKind.Spectrogram => "spectrogram",
        FeatureKind.Fbank40 => "fbank40",
        FeatureKind.Fbank80 => "fbank80",
        _ => throw new ArgumentException($"no kind of features {kind}", nameof(kind)),
    };

    /// <summary>Whether stored cepstral coefficients hold all that these features are made of.</summary>
    public static bool IsMadeOfCoefficients(this FeatureKind kind) => kind is FeatureKind.Mfcc or FeatureKind.MfccRaw;

    /// <summary>Whether they are mel filters' levels.</summary>
    internal static bool IsFilterBank(this FeatureKind kind) => kind is FeatureKind.Fbank40 or FeatureKind.Fbank80;
}
