using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Augment;

/// <summary>What happens to training features before they are normalized, differently in every epoch: another tempo and vocal tract, then another room.</summary>
/// <param name="Warp">Tempo and vocal tract.</param>
/// <param name="Room">Noise and reverberation.</param>
public readonly record struct FeatureAugment(FeatureWarp Warp = default, FeatureRoom Room = default)
{
    /// <summary>Whether it does anything.</summary>
    public bool IsOn => Warp.IsOn || Room.IsOn;

    /// <summary>No utterance becomes longer than by this factor.</summary>
    public double LargestStretch => Warp.LargestStretch;

    /// <summary>A changed copy of an utterance's features: the caller's to overwrite, whatever was drawn.</summary>
    /// <param name="features">Not normalized; not changed.</param>
    /// <param name="kind">What they are.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="utterance">The utterance's index in its corpus.</param>
    public FeatureMatrix Apply(FeatureMatrix features, FeatureKind kind, int seed, int epoch, int utterance)
    {
        FeatureMatrix spoken = Warp.IsOn ? Warp.Apply(features, kind, seed, epoch, utterance) : features;
        return Room.IsOn || !Warp.IsOn ? Room.Apply(spoken, kind, seed, epoch, utterance) : spoken;
    }
}
