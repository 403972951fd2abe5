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
}
