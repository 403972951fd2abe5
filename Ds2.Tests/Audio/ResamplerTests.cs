using Ds2.Runtime.Audio;

namespace Ds2.Tests.Audio;

public sealed class ResamplerTests
{
    [TestCase(8000)]
    [TestCase(11025)]
    [TestCase(15999)]
    [TestCase(22050)]
    [TestCase(44100)]
    [TestCase(48000)]
    [TestCase(96000)]
    public void Resample_KeepsATone(int rate)
    {
        foreach (double hertz in new[] { 0.0, 200, 1000, 3400 })
        {
            // A cosine would do as well, but a sine at 0 Hz is silence: take a phase.
            float[] Tone(int count, int at) => [.. Enumerable.Range(0, count).Select(i => (float)(0.5 * Math.Cos(2 * Math.PI * hertz * i / at + 0.3)))];
            float[] output = Resampler.For(rate, 16000).Resample(Tone(rate / 2, rate));
            float[] ideal = Tone(output.Length, 16000);
            Assert.That(output, Has.Length.EqualTo((rate / 2 * 16000L + rate - 1) / rate));
            // Beyond its ends a signal counts as silence: its first and last half windows differ.
            int margin = 40 * 16000 / Math.Min(rate, 16000);
            Assert.That(output[margin..^margin], Is.EqualTo(ideal[margin..^margin]).Within(1e-4), $"{hertz} Hz");
        }
    }

    [Test]
    public void Resample_SuppressesWhatWouldAlias()
    {
        float[] output = Resampler.For(48000, 16000).Resample(Sounds.Sine(24000, 9000, 48000));
        Assert.That(output[100..^100].Max(MathF.Abs), Is.LessThan(1e-4));
    }

    [Test]
    public void Resample_ShortSignals()
    {
        for (int count = 0; count < 5; count++)
            Assert.That(Resampler.For(8000, 16000).Resample(new float[count]), Has.Length.EqualTo(2 * count));
    }
}
