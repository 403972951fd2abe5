using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Runtime.Recognition.Long;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Recognition.Long;

public sealed class SoundPiecesTests
{
    /// <summary>A model may pad what it hears, and write something for that: there must be nothing for it to hear.</summary>
    [TestCase(100)]
    [TestCase(16000)]
    [TestCase(700000)]
    public void DigitalSilence_HasNoFrames(int samples) => Assert.That(Frames(new float[samples]), Is.All.Zero);

    [TestCase(256, 0)]
    [TestCase(257, 2)]
    public void Sound_TooShortForAFrame_HasNone(int samples, int frames) => Assert.That(Frames(Sounds.Noise(samples, 0.3)), Is.EqualTo(new[] { frames }));

    private static int[] Frames(float[] sound)
    {
        using var folder = new TempFolder();
        WavWriter.Write(folder["a.wav"], sound);
        using var reader = SoundReader.Open(folder["a.wav"]);
        return [.. new SoundPieces(new FeatureExtractor(FeatureKind.MfccRaw), new SoundCutter(new PieceCutter()), edges: null).Read(reader).Select(piece => piece.Features.Frames)];
    }
}
