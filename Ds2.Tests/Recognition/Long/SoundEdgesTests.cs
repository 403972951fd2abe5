using Ds2.Runtime.Recognition.Long;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Recognition.Long;

/// <summary>Digital silence around speech is made what a model is used to.</summary>
public sealed class SoundEdgesTests
{
    private static readonly float[] Speech = Sound(8000, 0.3), Room = Sound(1600, 0.003);

    [Test]
    public void AnySilence_IsHeardAlike([Values(0, 1, 77, 960, 20000)] int before, [Values(0, 3, 5000)] int after)
    {
        (float[] samples, int offset) = new SoundEdges(960).Of([.. new float[before], .. Speech, .. Dither(after)]);
        Assert.That(samples, Is.EqualTo((float[])[.. new float[960], .. Speech, .. new float[960]]));
        Assert.That(offset, Is.EqualTo(before - 960));
    }

    /// <summary>A model that is used to none has none added: a room's silence is enough, and of a gate's a tenth of a second stays.</summary>
    [Test]
    public void UsedToNone_KeepsWhatSpeechNeeds()
    {
        var edges = new SoundEdges(0);
        float[] spoken = [.. Room, .. Speech, .. Room];
        Assert.That(edges.Of(Speech).Samples, Is.EqualTo(Speech));
        Assert.That(edges.Of([.. new float[5000], .. spoken, .. new float[77]]).Samples, Is.EqualTo(spoken));
        Assert.That(edges.Of([.. new float[5000], .. Speech, .. new float[400]]).Samples, Is.EqualTo((float[])[.. new float[1600], .. Speech, .. new float[400]]));
    }

    [Test]
    public void SilenceAlone_HasNothing() => Assert.That(new SoundEdges(960).Of(new float[5000]).Samples, Is.Empty);

    /// <summary>Noise of which no sample is nothing.</summary>
    private static float[] Sound(int count, double amplitude) => [.. Sounds.Noise(count, amplitude).Select(sample => Math.Abs(sample) < 1e-4f ? 0.002f : sample)];

    private static float[] Dither(int count) => [.. Enumerable.Range(0, count).Select(i => (i % 5 - 2) / 32768f)];
}
