using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Features;

namespace Ds2.Tests.Data;

public sealed class SpecAugmentTests
{
    private const int Rows = 13;
    private const int Frames = 100;

    private static FeatureMatrix Ones
    {
        get
        {
            var values = new float[Rows * Frames];
            Array.Fill(values, 1f);
            return new FeatureMatrix(values, Rows, Frames);
        }
    }

    [Test]
    public void Apply_MasksWholeFramesAndWholeRows_NoWiderThanAsked()
    {
        var augment = new SpecAugment(TimeMasks: 1, TimeWidth: 12, RowMasks: 1, RowWidth: 3);
        int widestTime = 0, widestRows = 0;
        for (int utterance = 0; utterance < 300; utterance++)
        {
            FeatureMatrix masked = augment.Apply(Ones, seed: 1, epoch: 0, utterance);
            bool[] frameMasked = [.. Enumerable.Range(0, Frames).Select(t => Enumerable.Range(0, Rows).All(r => masked.Values[r * Frames + t] == 0))];
            bool[] rowMasked = [.. Enumerable.Range(0, Rows).Select(r => Enumerable.Range(0, Frames).All(t => masked.Values[r * Frames + t] == 0))];
            for (int i = 0; i < masked.Values.Length; i++)
                Assert.That(masked.Values[i], Is.EqualTo(frameMasked[i % Frames] || rowMasked[i / Frames] ? 0f : 1f));
            widestTime = Math.Max(widestTime, frameMasked.Count(m => m));
            widestRows = Math.Max(widestRows, rowMasked.Count(m => m));
        }

        Assert.That((widestTime, widestRows), Is.EqualTo((12, 3)));
    }

    [Test]
    public void Apply_ShortUtterance_KeepsFourFifths()
    {
        var features = new FeatureMatrix([.. Enumerable.Repeat(1f, 10)], 1, 10);
        for (int utterance = 0; utterance < 50; utterance++)
            Assert.That(new SpecAugment(1, 50).Apply(features, 1, 0, utterance).Values.Count(v => v == 0), Is.LessThanOrEqualTo(2));
    }

    [Test]
    public void Apply_DependsOnSeedEpochAndUtteranceAlone()
    {
        var augment = new SpecAugment(2, 20, 1, 3);
        float[] masked = augment.Apply(Ones, 1, 2, 3).Values;
        Assert.Multiple(() =>
        {
            Assert.That(augment.Apply(Ones, 1, 2, 3).Values, Is.EqualTo(masked));
            Assert.That(augment.Apply(Ones, 2, 2, 3).Values, Is.Not.EqualTo(masked));
            Assert.That(augment.Apply(Ones, 1, 3, 3).Values, Is.Not.EqualTo(masked));
            Assert.That(augment.Apply(Ones, 1, 2, 4).Values, Is.Not.EqualTo(masked));
        });
    }

    [Test]
    public void Apply_LeavesItsInputAsItIs()
    {
        FeatureMatrix features = Ones;
        new SpecAugment(2, 20, 2, 5).Apply(features, 1, 1, 1);
        Assert.That(features.Values, Is.All.EqualTo(1f));
    }
}
