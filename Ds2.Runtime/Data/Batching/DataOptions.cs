using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Options;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Which utterances are trained on, in which batches, and how they are changed.</summary>
public sealed record DataOptions
{
    /// <summary>Utterances of a batch.</summary>
    [Option("utterances of a batch", Min = 1, OnResume = ResumeRule.ShapesEpoch)]
    public int Batch { get; init; } = 8;

    /// <summary>A batch has as many utterances as so many frames hold, padding included, and <see cref="Batch"/> does not count; 0 for batches by count.</summary>
    [Option("frames of 10 ms that a batch holds, padding included, in place of a number of utterances; 0 for batches by count", Min = 0, OnResume = ResumeRule.ShapesEpoch)]
    public int BatchFrames { get; init; }

    /// <summary>Batches that make one step: their gradients are added up before the parameters move; 1 for a step a batch.</summary>
    [Option("batches that make one step: they are worked on one after the other, and the parameters move once, by the mean gradient of all their utterances", Min = 1, Max = 4096, OnResume = ResumeRule.ShapesEpoch)]
    public int Accumulate { get; init; } = 1;

    /// <summary>Longer utterances are not trained on; 0 for no limit.</summary>
    [Option("longer utterances are not trained on, in seconds; 0 for no limit", Min = 0, OnResume = ResumeRule.ShapesEpoch)]
    public double MaxSeconds { get; init; }

    /// <summary>The order of batches: <c>sorted</c>, <c>sortagrad</c>, <c>shuffled</c> or <c>bucketed</c>.</summary>
    [Option("the order of batches: by length, by length in the first epoch, random, or by length in the first epoch and then drawn anew from utterances of like length", OnResume = ResumeRule.ShapesEpoch)]
    public BatchOrder Order { get; init; } = BatchOrder.Sorted;

    /// <summary>Whether training audio gets another tempo (0.85 to 1.15) and level (-6 to +8 dB) in every epoch.</summary>
    [Option("whether training audio gets another tempo (0.85 to 1.15) and level (-6 to +8 dB) in every epoch")]
    public bool Augment { get; init; }

    /// <summary>A folder of WAV and FLAC files that are mixed into training audio; empty for none.</summary>
    [Option("a folder of WAV and FLAC files that are mixed into training audio; empty for none")]
    public string NoiseFolder { get; init; } = "";

    /// <summary>The share of training utterances that get noise.</summary>
    [Option("the share of training utterances that get noise", Min = 0, Max = 1)]
    public double NoiseProbability { get; init; } = 0.4;

    /// <summary>The highest level of noise, in units of the speech's.</summary>
    [Option("the highest level of noise, in units of the speech's", Min = 0)]
    public double NoiseMax { get; init; } = 0.5;

    /// <summary>How far the tempo of training features goes from 1, either way; 0 for none.</summary>
    [Option("training features are played at a tempo of 1 - this to 1 + this, another one in every epoch", Min = 0, Max = 0.5)]
    public double Tempo { get; init; }

    /// <summary>How far the frequencies of training features go from their own, as a factor, either way; 0 for none.</summary>
    [Option("training features are heard as of another vocal tract: frequencies times 1 - this to 1 + this, another factor in every epoch (VTLP)", Min = 0, Max = 0.5)]
    public double Warp { get; init; }

    /// <summary>How far regions of the frequencies of training features go from their own, each by a factor for itself, either way; 0 for none.</summary>
    [Option("training features have their formants elsewhere: six regions of the frequencies, each times 1 - this to 1 + this, other factors in every epoch", Min = 0, Max = FeatureWarp.MostFormants)]
    public double Formants { get; init; }

    /// <summary>The share of training utterances whose features get noise that is made on the fly.</summary>
    [Option("the share of training utterances whose features get stationary noise, 5 to 35 dB under the speech, other noise in every epoch; noiseFolder mixes recorded noise into sound", Min = 0, Max = 1)]
    public double Noise { get; init; }

    /// <summary>The share of training utterances whose features get reverberation.</summary>
    [Option("the share of training utterances whose features get reverberation of 0.2 to 0.8 s, other in every epoch", Min = 0, Max = 1)]
    public double Reverb { get; init; }

    /// <summary>SpecAugment: masks over stretches of time in each training utterance; 0 for none.</summary>
    [Option("SpecAugment: masks over stretches of time in each training utterance", Min = 0, Max = 1000)]
    public int TimeMasks { get; init; }

    /// <summary>The widest of them, in frames of 10 ms.</summary>
    [Option("the widest of them, in frames of 10 ms", Min = 0)]
    public int TimeMaskWidth { get; init; } = 20;

    /// <summary>SpecAugment: masks over bands of feature rows; 0 for none.</summary>
    [Option("SpecAugment: masks over bands of feature rows", Min = 0, Max = 1000)]
    public int RowMasks { get; init; }

    /// <summary>The widest of them, in rows.</summary>
    [Option("the widest of them, in rows", Min = 0)]
    public int RowMaskWidth { get; init; } = 2;

    /// <summary>The masks these options put on training features.</summary>
    public SpecAugment Masks => new(TimeMasks, TimeMaskWidth, RowMasks, RowMaskWidth);

    /// <summary>The changes that these options make to training features before they are normalized.</summary>
    public FeatureAugment FeatureAugment => new(new FeatureWarp(Tempo, Warp, Formants), new FeatureRoom(Noise, Reverb));

    /// <summary>The changes these options make to training audio; null for none.</summary>
    /// <exception cref="InputException">The noise folder is missing, or a file in it is damaged.</exception>
    public AudioAugment? OpenAudioAugment() => Augment || NoiseFolder.Length > 0
        ? new AudioAugment(Augment, NoiseFolder.Length > 0 ? Data.Augment.NoiseFolder.Open(NoiseFolder) : null, NoiseProbability, NoiseMax)
        : null;
}
