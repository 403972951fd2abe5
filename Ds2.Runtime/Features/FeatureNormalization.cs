namespace Ds2.Runtime.Features;

/// <summary>By what features are brought to mean 0 and standard deviation 1.</summary>
public enum FeatureNormalization
{
    /// <summary>Each utterance by its own figures: whatever the recording's level, but the utterance must have ended first.</summary>
    Utterance,

    /// <summary>Each row by the figures of the training set, which the model keeps: a frame does not depend on those after it, so that sound can be recognized as it comes.</summary>
    Corpus,
}
