using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>Reads recordings as the features want them: mono, 16 kHz.</summary>
/// <remarks>WAV is read by <see cref="WavReader"/>; every other format goes through libsndfile. The content decides, not the name.</remarks>
public static class AudioFile
{
    /// <summary>The rate everything is brought to, in samples a second.</summary>
    public const int SampleRate = 16000;

    internal const int LeastRate = 1000, MostRate = 768000;

    /// <summary>Reads a recording, mixes its channels to one by their mean, and resamples it to <see cref="SampleRate"/>.</summary>
    /// <param name="path">A WAV or FLAC file, or any other format of the installed libsndfile.</param>
    /// <returns>Samples, full scale at 1; floating-point files may go beyond.</returns>
    /// <exception cref="InputException">The file is missing, damaged, empty or of a kind that cannot be read here.</exception>
    public static float[] Read(string path)
    {
        AudioClip clip = IsWav(path) ? WavReader.Read(path) : SndFile.Read(path);
        if (clip.Samples.Length == 0)
            throw new InputException($"{path}: holds no samples");
        if (clip.SampleRate == SampleRate)
            return clip.Samples;
        if (!Resampler.IsFeasible(clip.SampleRate, SampleRate))
            throw new InputException($"{path}: a sample rate of {clip.SampleRate} Hz is in no simple ratio to {SampleRate}; resample it first");
        return Resampler.For(clip.SampleRate, SampleRate).Resample(clip.Samples);
    }

    /// <summary>The length of a recording or of a feature file, from its header alone.</summary>
    /// <remarks>A WAV header, FLAC's STREAMINFO, an .npy header or a Sphinx .mfc count; features count 100 frames a second.
    /// None of these needs libsndfile; other audio formats do.</remarks>
    /// <param name="path">The file.</param>
    /// <returns>Seconds.</returns>
    /// <exception cref="InputException">The file is missing or damaged.</exception>
    public static double Duration(string path)
    {
        if (CoefficientFile.IsOne(path))
            return CoefficientFile.Frames(path) / (double)CoefficientFile.FramesPerSecond;
        if (IsWav(path))
            return WavReader.ReadHeader(path).Seconds;
        if (FlacHeader.TryRead(path) is not { Samples: > 0 } flac)
            return SndFile.Duration(path);
        return IsRate(flac.SampleRate) ? flac.Seconds : throw new InputException($"{path}: a sample rate of {flac.SampleRate} Hz is outside {LeastRate}..{MostRate}");
    }

    /// <summary>Whether sound is recorded at such a rate.</summary>
    internal static bool IsRate(long rate) => rate is >= LeastRate and <= MostRate;

    private static bool IsWav(string path)
    {
        using FileStream file = InputFile.Open(path);
        Span<byte> magic = stackalloc byte[12];
        int count = file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false);
        if (count == 0)
            throw new InputException($"{path}: the file is empty");
        return count >= 4 && magic[..4].SequenceEqual("RIFF"u8) && (count < 12 || magic[8..].SequenceEqual("WAVE"u8));
    }
}
