using Ds2.Runtime;
using Ds2.Runtime.Features;
using Ds2.Tests.Audio;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Features;

/// <summary>Features of sound in pieces.</summary>
public sealed class FrameExtractorTests
{
    [Test]
    public void Accept_RandomPieces_GivesTheWholesFrames([Values] FeatureKind kind, [Values(257, 319, 320, 321, 480, 3200, 9000, 9001)] int samples)
    {
        FeatureExtractor extractor = Corpus(kind);
        float[] sound = Sounds.Noise(samples, 0.3);
        FeatureMatrix whole = extractor.Normalize(extractor.Extract(sound));
        int[] most = samples > 4000 ? [160, 1000, 20000] : [1, 7, 160, 500];
        foreach (int largest in most)
        {
            FeatureMatrix[] pieces = [.. Pieces(new FrameExtractor(extractor), sound, largest)];
            Assert.That(pieces.Sum(piece => piece.Frames), Is.EqualTo(whole.Frames));
            for (int row = 0; row < whole.Rows; row++)
                Compare.BitEqual([.. pieces.SelectMany(piece => piece.Row(row).ToArray())], whole.Row(row).ToArray(), $"row {row} of pieces up to {largest}");
        }
    }

    [Test]
    public void Accept_GivesAFrameTenMillisecondsAfterItsCentre()
    {
        var frames = new FrameExtractor(Corpus(FeatureKind.MfccRaw));
        float[] sound = Sounds.Noise(1000, 0.3);
        Assert.That(frames.Accept(sound.AsSpan(0, 3 * 160 + 159)).Frames, Is.EqualTo(3));
        Assert.That(frames.Accept(sound.AsSpan(3 * 160 + 159, 1)).Frames, Is.EqualTo(1));
        Assert.That(FrameExtractor.Delay, Is.EqualTo(0.01));
    }

    [TestCase(FeatureKind.MfccRaw, 256)]
    [TestCase(FeatureKind.Spectrogram, 160)]
    public void Finish_TooShortForFeatures_GivesNone(FeatureKind kind, int samples)
    {
        var frames = new FrameExtractor(Corpus(kind));
        Assert.That(frames.Accept(Sounds.Noise(samples, 0.3)).Frames, Is.Zero);
        Assert.That(frames.Finish().Frames, Is.Zero);
    }

    [Test]
    public void Accept_SamplesThatAreNoNumbers_AreRefused() =>
        Assert.That(() => new FrameExtractor(Corpus(FeatureKind.Spectrogram)).Accept([.. Sounds.Noise(400, 0.1), float.NaN, .. new float[400]]), Throws.TypeOf<InputException>());

    [Test]
    public void New_NormalizedByTheUtterance_IsRefused() =>
        Assert.That(() => new FrameExtractor(new FeatureExtractor(FeatureKind.Mfcc)), Throws.ArgumentException);

    private static IEnumerable<FeatureMatrix> Pieces(FrameExtractor frames, float[] sound, int largest)
    {
        var random = new Random(largest);
        for (int first = 0, some; first < sound.Length; first += some)
        {
            some = Math.Min(sound.Length - first, random.Next(1, largest + 1));
            yield return frames.Accept(sound.AsSpan(first, some));
        }

        yield return frames.Finish();
    }

    private static FeatureExtractor Corpus(FeatureKind kind)
    {
        int rows = new FeatureExtractor(kind).Rows;
        return new FeatureExtractor(
            kind, FeatureNormalization.Corpus, new RowStatistics(Enumerable.Range(0, rows).Select(row => 0.1f * row), Enumerable.Range(0, rows).Select(row => 1 + 0.1f * row)));
    }
}
