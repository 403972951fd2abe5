namespace Ds2.Runtime.Audio;

/// <summary>How a recording is stored, as far as its readers differ.</summary>
public enum RecordingFormat : byte
{
    /// <summary>A WAV file that Ds2 reads itself.</summary>
    Wav,

    /// <summary>FLAC: Ds2 reads the header, libsndfile the samples.</summary>
    Flac,

    /// <summary>Whatever only libsndfile reads, compressed WAV among it.</summary>
    Other,

    /// <summary>Cepstral coefficients in place of sound: .npy, Sphinx, HTK.</summary>
    Features,
}

/// <summary>What the header and the length of a file tell about a recording that can be used; <see cref="AudioFile.Probe(string)"/> refuses others.</summary>
/// <param name="Format">How it is stored.</param>
/// <param name="Rate">Samples a second of the file itself, or frames a second for coefficients.</param>
/// <param name="Length">Samples of each channel at that rate, or frames; at least 1.</param>
public readonly record struct RecordingInfo(RecordingFormat Format, int Rate, int Length)
{
    /// <summary>Length in seconds.</summary>
    public double Seconds => (double)Length / Rate;

    /// <summary>Whether there are coefficients in place of sound.</summary>
    public bool HoldsFeatures => Format == RecordingFormat.Features;

    /// <summary>How many samples <see cref="AudioFile.Read"/> gives, at <see cref="AudioFile.SampleRate"/>; 0 for coefficients.</summary>
    public int Samples => HoldsFeatures ? 0 : (int)Resampler.LengthOf(Length, Rate, AudioFile.SampleRate);

    /// <summary>Whether this machine can read more than the header: all but WAV and coefficients need libsndfile.</summary>
    public bool IsReadable => Format is RecordingFormat.Wav or RecordingFormat.Features || SndFile.IsAvailable;

    /// <summary>Checks what a sound's header says.</summary>
    /// <exception cref="InputException">No recording has such a rate, or it cannot be resampled; or there are no samples, or more than fit into memory.</exception>
    internal static RecordingInfo OfSound(string path, RecordingFormat format, long samples, long rate)
    {
        if (rate is < AudioFile.LeastRate or > AudioFile.MostRate)
            throw new InputException($"{path}: a sample rate of {rate} Hz is outside {AudioFile.LeastRate}..{AudioFile.MostRate}");
        if (!Resampler.IsFeasible((int)rate, AudioFile.SampleRate))
            throw new InputException($"{path}: a sample rate of {rate} Hz is in no simple ratio to {AudioFile.SampleRate}; resample it first");
        if (samples <= 0)
            throw new InputException($"{path}: holds no samples");
        if (samples > Array.MaxLength || Resampler.LengthOf(samples, (int)rate, AudioFile.SampleRate) > Array.MaxLength)
            throw new InputException($"{path}: {samples} samples a channel are more than fit into memory at once");
        return new RecordingInfo(format, (int)rate, (int)samples);
    }
}
