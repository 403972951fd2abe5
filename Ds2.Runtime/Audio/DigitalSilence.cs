namespace Ds2.Runtime.Audio;

/// <summary>Silence that no microphone heard: padding between recordings, what a gate or an editor left.</summary>
public static class DigitalSilence
{
    /// <summary>Samples up to this are nothing: two steps of 16 bits, as dither leaves them.</summary>
    public const float Largest = 2.5f / 32768;

    /// <summary>How many samples a recording begins with that are nothing; all of them where nothing else comes.</summary>
    public static int Before(ReadOnlySpan<float> samples)
    {
        int first = 0;
        while (first < samples.Length && Math.Abs(samples[first]) <= Largest)
            first++;
        return first;
    }

    /// <summary>How many it ends with, likewise.</summary>
    public static int After(ReadOnlySpan<float> samples)
    {
        int last = samples.Length;
        while (last > 0 && Math.Abs(samples[last - 1]) <= Largest)
            last--;
        return samples.Length - last;
    }
}
