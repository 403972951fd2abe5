using Ds2.Runtime.Audio;

namespace Ds2.Tests.Audio;

/// <summary>Signals that every machine computes alike.</summary>
internal static class Sounds
{
    /// <summary>Park and Miller's minimal standard generator, as in make_feature_goldens.py.</summary>
    public static float[] Noise(int count, double amplitude, long state = 1)
    {
        var samples = new float[count];
        for (int i = 0; i < count; i++)
        {
            state = state * 48271 % 2147483647;
            samples[i] = (float)(amplitude * (state / 2147483647.0 * 2 - 1));
        }
        return samples;
    }

    public static float[] Sine(int count, double hertz, int rate, double amplitude = 0.5) =>
        [.. Enumerable.Range(0, count).Select(i => (float)(amplitude * Math.Sin(2 * Math.PI * hertz * i / rate)))];

    public static short[] Shorts(float[] samples) => [.. samples.Select(s => (short)Math.Clamp(MathF.Round(s * 32768), -32768, 32767))];

    /// <summary>Ends the test as ignored where there is no libsndfile.</summary>
    public static void RequireSndFile()
    {
        if (!SndFile.IsAvailable)
            Assert.Ignore("needs libsndfile.so.1 (Debian package libsndfile1)");
    }
}
