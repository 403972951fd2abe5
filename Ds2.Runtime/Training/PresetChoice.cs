using System.Globalization;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Training;

/// <summary>What is trained where a user gives a corpus and no preset.</summary>
/// <param name="Preset">The preset's name.</param>
/// <param name="Epochs">Its number of epochs for this corpus.</param>
/// <param name="Reason">Why, in a line for the user.</param>
/// <param name="HoldsCoefficients">Whether files of the corpus hold cepstral coefficients in place of sound.</param>
public sealed record PresetChoice(string Preset, int Epochs, string Reason, bool HoldsCoefficients)
{
    /// <summary>Hours of speech that a run hears in all: ten epochs of eight hours. Of less there are more epochs, as a model of this size learns from repetition.</summary>
    private const double HoursHeard = 80;

    private const int FewestEpochs = 10, MostEpochs = 60;

    /// <summary>The choice for a corpus.</summary>
    /// <param name="hours">Its length.</param>
    /// <param name="isGpu">Whether it is trained on a GPU.</param>
    /// <param name="holdsCoefficients">Whether files of it hold cepstral coefficients in place of sound.</param>
    public static PresetChoice For(double hours, bool isGpu, bool holdsCoefficients)
    {
        string preset = isGpu ? "gpu" : "cpu";
        int epochs = (int)Math.Clamp(Math.Ceiling(HoursHeard / Math.Max(hours, 0.01)), FewestEpochs, MostEpochs);
        return new PresetChoice(preset, epochs, string.Create(CultureInfo.InvariantCulture,
            $"{preset}, {epochs} epochs: {hours:0.##} h of one's own speech on a {(isGpu ? "GPU" : "CPU")}, no target (--preset, --epochs and --target-wer say otherwise)"),
            holdsCoefficients);
    }

    /// <summary>The options of this choice.</summary>
    public RunOptions Options
    {
        get
        {
            RunOptions preset = RunOptions.Presets[Preset];
            ModelOptions model = HoldsCoefficients ? preset.Model with { Features = FeatureKind.MfccRaw } : preset.Model;
            return preset with { Model = model, Training = preset.Training with { Epochs = Epochs } };
        }
    }
}
