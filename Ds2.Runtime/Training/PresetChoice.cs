using System.Globalization;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Training;

/// <summary>What is trained where a user gives a corpus and no preset.</summary>
/// <param name="Preset">The preset's name.</param>
/// <param name="Options">The preset, fitted to this corpus.</param>
/// <param name="Reason">Why, in a line for the user.</param>
public sealed record PresetChoice(string Preset, RunOptions Options, string Reason)
{
    /// <summary>Hours of speech that a run hears in all: ten epochs of eight hours. Of less there are more epochs, as a model of this size learns from repetition.</summary>
    private const double HoursHeard = 80;

    private const int FewestEpochs = 10, MostEpochs = 60;

    private const double FramesOfHour = 360_000;

    /// <summary>Below so many hours, each utterance is heard so often that a model learns it by heart: more of it differs from one time to the next, and more units are dropped. Steps there are enough, also
    /// of larger batches.</summary>
    private const double FewHours = 3;

    /// <summary>The share of a run's steps that the rate rises over at most: a small corpus's run would be over before it is at its height.</summary>
    private const double MostWarmup = 0.1;

    /// <summary>The choice for a corpus.</summary>
    /// <param name="hours">Its length.</param>
    /// <param name="utterances">Its number of utterances.</param>
    /// <param name="isGpu">Whether it is trained on a GPU.</param>
    /// <param name="holdsCoefficients">Whether files of it hold cepstral coefficients in place of sound.</param>
    /// <param name="asked">What the user's options have made of an earlier choice for the same corpus: its epochs and steps are those of the run; null where there is none.</param>
    public static PresetChoice For(double hours, int utterances, bool isGpu, bool holdsCoefficients, RunOptions? asked = null)
    {
        string preset = isGpu ? "gpu" : "cpu";
        bool few = hours < FewHours;
        RunOptions options = RunOptions.Presets[preset];
        if (few)
        {
            options = options with
            {
                Data = options.Data with { Batch = 16, Tempo = 0.15, Warp = 0.15, TimeMasks = 2, TimeMaskWidth = 15 },
                Training = options.Training with { Lr = isGpu ? options.Training.Lr : 3e-3, WarmupSteps = 150, Dropout = 0.2 },
            };
        }

        int epochs = asked?.Training.Epochs ?? (int)Math.Clamp(Math.Ceiling(HoursHeard / Math.Max(hours, 0.01)), FewestEpochs, MostEpochs);
        DataOptions data = asked?.Data ?? options.Data;
        double batches = data.BatchFrames > 0 ? Math.Min(hours * FramesOfHour / data.BatchFrames, utterances) : (double)utterances / data.Batch;
        double steps = epochs * Math.Ceiling(batches / data.Accumulate);
        options = options with { Training = options.Training with { Epochs = epochs, WarmupSteps = (int)Math.Min(options.Training.WarmupSteps, MostWarmup * steps) } };
        if (holdsCoefficients)
            options = options with { Model = options.Model with { Features = FeatureKind.MfccRaw } };
        return new PresetChoice(preset, options, string.Create(CultureInfo.InvariantCulture,
            $"{preset}, {epochs} epoch{(epochs == 1 ? "" : "s")}: {hours:0.##} h of one's own speech on a {(isGpu ? "GPU" : "CPU")}{(few ? ", with more dropout, masks and warping as it is little" : "")}; no target (--preset, --epochs and --target-wer say otherwise)"));
    }
}
