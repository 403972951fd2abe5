using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Tests.Data;

namespace Ds2.Tests.Audio;

public sealed class TimeStretchTests
{
    [TestCase(0.85)]
    [TestCase(0.97)]
    [TestCase(1.004)]
    [TestCase(1.15)]
    public void Apply_ChangesTheLengthOnly_NoPitchNoLevel(double tempo)
    {
        foreach (double hertz in new[] { 110.0, 440, 1234.5 })
        {
            float[] tone = Sounds.Sine(32000, hertz, 16000), output = TimeStretch.Apply(tone, tempo);
            Assert.That(output, Has.Length.EqualTo((int)Math.Round(32000 / tempo)));
            Assert.That(Frequency(output), Is.EqualTo(hertz).Within(0.1).Percent);
            Assert.That(Level(output), Is.EqualTo(Level(tone)).Within(1).Percent, "waves meet in phase");
        }
    }

    /// <summary>The loudness of a tone that swells twice a second does so at the new tempo, from start to end.</summary>
    [TestCase(0.85)]
    [TestCase(1.15)]
    public void Apply_KeepsTheRhythm(double tempo)
    {
        float[] tone = Sounds.Sine(80000, 200, 16000);
        for (int i = 0; i < tone.Length; i++)
            tone[i] *= (float)Loudness(i);
        float[] output = TimeStretch.Apply(tone, tempo);
        const int window = 400;
        for (int at = 0; at + window <= output.Length; at += window)
        {
            double level = Level(output[at..(at + window)]) / Level(Sounds.Sine(window, 200, 16000));
            // Within a segment of 70 ms time goes on at the old tempo, and the search moves it by 7.3 ms: 18 ms, in which the loudness changes by 0.2.
            Assert.That(level, Is.EqualTo(Loudness((at + window / 2) * tempo)).Within(0.22), $"at sample {at}");
        }

        static double Loudness(double sample) => 1 + 0.9 * Math.Sin(2 * Math.PI * 2 * sample / 16000);
    }

    [Test]
    public void Apply_AnyLength()
    {
        foreach (int length in new[] { 0, 1, 100, 191, 192, 1120, 1311, 1312, 1313, 5000 })
        {
            foreach (double tempo in new[] { 0.5, 0.85, 1, 1.15, 2 })
            {
                float[] output = TimeStretch.Apply(Sounds.Noise(length, 0.5), tempo);
                Assert.That(output, Has.Length.EqualTo(length == 0 ? 0 : Math.Max(1, (int)Math.Round(length / tempo))));
                Assert.That(output, Has.All.InRange(-0.5f, 0.5f));
            }
        }
        float[] sound = Sounds.Noise(3000, 0.5);
        Assert.That(TimeStretch.Apply(sound, 1), Is.EqualTo(sound).And.Not.SameAs(sound));
        foreach (double tempo in new[] { 0, -1, double.NaN, double.PositiveInfinity })
            Assert.That(() => TimeStretch.Apply(sound, tempo), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    /// <summary>The same segments at the same places as <c>sox tempo</c>: the spectra of all frames agree, where another setting of sox's own is 0.7 dB away, and a tempo one percent off 5 dB.</summary>
    [TestCase(0.85)]
    [TestCase(0.93)]
    [TestCase(1.07)]
    [TestCase(1.15)]
    public void Apply_OnSpeech_IsSoxTempo(double tempo)
    {
        Sounds.RequireSndFile();
        float[] speech = AudioFile.Read(SharedData.Require("libri-sample/test-other/1688/142285/1688-142285-0001.flac"));
        AssertIsSox(speech, tempo);
    }

    [TestCase(0.85)]
    [TestCase(1.15)]
    public void Apply_OnVoicedSound_IsSoxTempo(double tempo)
    {
        // Four syllables a second: a pulse train whose pitch glides, through a resonance.
        var sound = new float[64000];
        double phase = 0;
        for (int i = 0; i < sound.Length; i++)
        {
            phase += (120 + 40 * Math.Sin(2 * Math.PI * i / 24000)) / 16000;
            double pulse = phase >= 1 ? 1 : 0;
            phase -= pulse;
            double one = i > 0 ? sound[i - 1] : 0, two = i > 1 ? sound[i - 2] : 0;
            sound[i] = (float)(0.1 * pulse * Math.Abs(Math.Sin(2 * Math.PI * 2 * i / 16000)) + 1.8 * one - 0.9 * two);
        }

        AssertIsSox(sound, tempo);
    }

    private static void AssertIsSox(float[] sound, double tempo)
    {
        float[] own = TimeStretch.Apply(sound, tempo), sox = Sox.Run(sound, "tempo", tempo);
        Assert.That(own, Has.Length.EqualTo(sox.Length).Within(1));
        Assert.That(SpectralDistance(own, sox), Is.LessThan(0.2), "dB, mean over frames and frequencies");
        Assert.That(SpectralDistance(own, TimeStretch.Apply(sound, tempo * 1.01)), Is.GreaterThan(1), "and the measure tells a tempo that is 1 % off");
    }

    /// <summary>The mean difference in dB between the smooth spectra of frames at the same time.</summary>
    private static double SpectralDistance(float[] a, float[] b)
    {
        var extractor = new FeatureExtractor(FeatureKind.Mfcc);
        FeatureMatrix x = extractor.Extract(a), y = extractor.Extract(b);
        double sum = 0;
        int frames = Math.Min(x.Frames, y.Frames);
        for (int row = 0; row < x.Rows; row++)
        {
            for (int t = 0; t < frames; t++)
                sum += Math.Abs(x.Row(row)[t] - y.Row(row)[t]);
        }

        return sum / frames / x.Rows;
    }

    /// <summary>From the number of rising zero crossings, the first and last interpolated.</summary>
    private static double Frequency(float[] tone)
    {
        var crossings = new List<double>();
        for (int i = 0; i + 1 < tone.Length; i++)
        {
            if (tone[i] < 0 && tone[i + 1] >= 0)
                crossings.Add(i + tone[i] / (double)(tone[i] - tone[i + 1]));
        }
        return 16000 * (crossings.Count - 1) / (crossings[^1] - crossings[0]);
    }

    private static double Level(float[] sound) => Math.Sqrt(sound.Average(sample => (double)sample * sample));
}
