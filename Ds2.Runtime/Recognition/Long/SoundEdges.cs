using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>The digital silence at a recording's edges, made what a model is used to, so that the same speech gives the same text however much of it stands around.</summary>
/// <remarks>
/// Models hear by it: one whose training utterances began with 60 ms of it has three times as many errors where it is taken away, and other texts for 10 ms more or less. A model that is used to it
/// hears every piece between as much of it, by the sample. One that is used to none hears none where a room's silence follows; where speech follows, as from a gate, a tenth of a second stays.
/// </remarks>
/// <param name="usual">Samples of digital silence that the model is used to.</param>
internal sealed class SoundEdges(int usual)
{
    private const int LeastUsual = AudioFile.SampleRate / 100, Kept = AudioFile.SampleRate / 10, Room = AudioFile.SampleRate / 20;

    /// <summary>How far the level of a room's silence lies under the whole's: a hundredth of the power.</summary>
    private const double UnderWhole = 0.01;

    /// <summary>Makes the edges of a piece.</summary>
    /// <param name="samples">Mono at 16 kHz.</param>
    /// <returns>The piece as it is to be heard, and how many samples it begins later than the one given: negative where silence was put before it. None where there is nothing but silence.</returns>
    public (float[] Samples, int Offset) Of(ReadOnlySpan<float> samples)
    {
        int before = DigitalSilence.Before(samples);
        if (before == samples.Length)
            return ([], 0);
        int after = DigitalSilence.After(samples);
        ReadOnlySpan<float> sound = samples[before..^after];
        (int first, int last) = (Wanted(before, sound, atEnd: false), Wanted(after, sound, atEnd: true));
        var made = new float[first + sound.Length + last];
        sound.CopyTo(made.AsSpan(first));
        return (made, before - first);
    }

    private int Wanted(int silent, ReadOnlySpan<float> sound, bool atEnd)
    {
        if (usual >= LeastUsual)
            return usual;
        int room = Math.Min(Room, sound.Length);
        return Power(atEnd ? sound[^room..] : sound[..room]) <= UnderWhole * Power(sound) ? 0 : Math.Min(silent, Kept);
    }

    private static double Power(ReadOnlySpan<float> samples)
    {
        double sum = 0;
        foreach (float sample in samples)
            sum += sample * sample;
        return sum / samples.Length;
    }
}
