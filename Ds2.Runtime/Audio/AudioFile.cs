using Ds2.Runtime.Files;

namespace Ds2.Runtime.Audio;

/// <summary>Reads recordings as the features want them: mono, 16 kHz.</summary>
/// <remarks>WAV with PCM, floats, mu-law or A-law is read by <see cref="WavReader"/>; all else goes through libsndfile. The content decides, not the name.</remarks>
public static class AudioFile
{
    /// <summary>The rate everything is brought to, in samples a second.</summary>
    public const int SampleRate = 16000;

    /// <summary>The lowest and the highest rate that sound is taken to be recorded at.</summary>
    public const int LeastRate = 1000, MostRate = 768000;

    /// <summary>Reads a recording, mixes its channels to one by their mean, and resamples it to <see cref="SampleRate"/>.</summary>
    /// <param name="path">A WAV or FLAC file, or any other format of the installed libsndfile.</param>
    /// <returns>Samples, full scale at 1; floating-point files may go beyond.</returns>
    /// <exception cref="InputException">The file is missing, damaged, empty or of a kind that cannot be read here.</exception>
    public static float[] Read(string path)
    {
        AudioClip clip = WavReader.TryRead(path) ?? SndFile.Read(path);
        if (clip.Samples.Length == 0)
            throw new InputException($"{path}: holds no samples");
        if (clip.SampleRate == SampleRate)
            return clip.Samples;
        if (!Resampler.IsFeasible(clip.SampleRate, SampleRate))
            throw new InputException($"{path}: a sample rate of {clip.SampleRate} Hz is in no simple ratio to {SampleRate}; resample it first");
        return Resampler.For(clip.SampleRate, SampleRate).Resample(clip.Samples);
    }

    /// <summary>Tells what the header and the length of a recording or a feature file say, and refuses what they show to be unusable.</summary>
    /// <remarks>WAV of the encodings above, FLAC's STREAMINFO, .npy, Sphinx and HTK files need no libsndfile here; others do. Of FLACs that are joined in one file it tells the first one's length. Thread-safe.</remarks>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">The file is missing, empty, cut short, damaged in its header, without samples, or of an encoding or a sample rate that cannot be read.</exception>
    public static RecordingInfo Probe(string path) => Probe(path, FileStamp.Of(path)?.Bytes ?? 0);

    /// <summary>As above, of a file whose length in bytes is known.</summary>
    internal static RecordingInfo Probe(string path, long length)
    {
        if (CoefficientFile.IsOne(path))
            return new RecordingInfo(RecordingFormat.Features, CoefficientFile.FramesPerSecond, CoefficientFile.Frames(path));
        using (HeaderStream file = HeaderStream.Open(path, length))
        {
            if (WavReader.TryReadHeader(file, path) is { Encoding: not WavEncoding.Foreign } wav)
                return RecordingInfo.OfSound(path, RecordingFormat.Wav, wav.Frames, wav.SampleRate);
            if (FlacHeader.TryRead(file, path) is { Samples: > 0 } flac)
                return RecordingInfo.OfSound(path, RecordingFormat.Flac, flac.Samples, flac.SampleRate);
        }
        (long samples, int rate) = SndFile.Length(path);
        return RecordingInfo.OfSound(path, RecordingFormat.Other, samples, rate);
    }

    /// <summary>The length of a recording or of a feature file, from its header alone; features count 100 frames a second.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Seconds.</returns>
    /// <exception cref="InputException">As <see cref="Probe(string)"/>.</exception>
    public static double Duration(string path) => Probe(path).Seconds;

    /// <summary>Whether sound is recorded at such a rate.</summary>
    internal static bool IsRate(long rate) => rate is >= LeastRate and <= MostRate;
}
