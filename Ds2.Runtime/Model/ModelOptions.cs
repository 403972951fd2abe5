using Ds2.Kernels.Ops;
using Ds2.Runtime.Features;
using Ds2.Runtime.Options;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Model;

/// <summary>What kind of recognizer is made: what it hears, and how large it is.</summary>
public sealed record ModelOptions
{
    /// <summary>With more, the middle of what the first output frame sees would lie before the sound.</summary>
    private const int MostPadFrames = 15;

    /// <summary>What the model hears: <c>mfcc</c>, <c>mfcc-raw</c>, <c>spectrogram</c>, <c>fbank40</c> or <c>fbank80</c>.</summary>
    [Option("what the model hears: 13 MFCCs rendered as a spectrogram of 161 rows, the 13 coefficients themselves, the spectrogram, or 40 or 80 mel filters' levels", OnResume = ResumeRule.Fixed)]
    public FeatureKind Features { get; init; } = FeatureKind.Mfcc;

    /// <summary>By what features are normalized: <c>utterance</c> or <c>corpus</c>.</summary>
    [Option("what features are scaled by: each utterance's mean and deviation, or the training set's of each row, for live sound", OnResume = ResumeRule.Fixed)]
    public FeatureNormalization Normalization { get; init; }

    /// <summary>Channels of both convolutions.</summary>
    [Option("channels of both convolutions", Min = 1, Max = 4096, OnResume = ResumeRule.Fixed)]
    public int Channels { get; init; } = 32;

    /// <summary>Frames of zeros before and after each utterance.</summary>
    /// <remarks>Convolutions that pad nothing give their first output at the 16th feature frame and their last at the 16th from the end: letters that are said nearer to an edge share those two outputs.</remarks>
    [Option("frames of zeros (10 ms each) before and after each utterance: 15 give the letters at its edges outputs of their own", Min = 0, Max = MostPadFrames, OnResume = ResumeRule.Fixed)]
    public int PadFrames { get; init; }

    /// <summary>Hidden units of each GRU direction.</summary>
    [Option("hidden units of each GRU direction", Min = 1, Max = 65536, OnResume = ResumeRule.Fixed)]
    public int Hidden { get; init; } = 2560;

    /// <summary>GRU layers.</summary>
    [Option("GRU layers", Min = 1, Max = 1000, OnResume = ResumeRule.Fixed)]
    public int Layers { get; init; } = 3;

    /// <summary>Whether each GRU runs in both directions, outputs summed.</summary>
    [Option("whether each GRU runs in both directions, outputs summed", OnResume = ResumeRule.Fixed)]
    public bool Bidirectional { get; init; }

    /// <summary>Whether the inputs of all GRUs but the first are batch-normalized (BatchRNN).</summary>
    [Option("whether the inputs of all GRUs but the first are batch-normalized", OnResume = ResumeRule.Fixed)]
    public bool RnnBatchNorm { get; init; }

    /// <summary>How the GRUs' products with their state read the recurrent weights: <c>fp32</c>, or <c>fp16</c>, for which a GPU reads half the bytes.</summary>
    [Option("how the GRUs' products with their state read the recurrent weights; fp16 halves the bytes that are read of them")]
    public RecurrentPrecision RecurrentPrecision { get; init; }

    /// <summary>The sizes of the model that these options describe.</summary>
    /// <param name="alphabet">What it writes.</param>
    public Architecture ArchitectureFor(Alphabet alphabet)
    {
        ArgumentNullException.ThrowIfNull(alphabet);
        return new Architecture(new FeatureExtractor(Features).Rows, Channels, Hidden, Layers, Bidirectional, RnnBatchNorm, alphabet.Size, RecurrentPrecision, PadFrames);
    }
}
