using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;

namespace Ds2.Tests.Features;

/// <summary>Features normalized by the training set's figures, which a model keeps.</summary>
public sealed class RowStatisticsTests
{
    [Test]
    public void ToStatistics_OfSeveralUtterances_AreThoseOfAllFrames()
    {
        FeatureMatrix first = new([1, 2, 3, 5, 5, 5], 2, 3), second = new([7, 5], 2, 1);
        var (all, other) = (new RowSums(2), new RowSums(2));
        all.Add(first);
        other.Add(second);
        all.Add(other);
        RowStatistics statistics = all.ToStatistics();
        Assert.Multiple(() =>
        {
            Assert.That(statistics.Means, Is.EqualTo(new[] { 3.25f, 5 }));
            // sqrt(((1 - 3.25)^2 + ... + (7 - 3.25)^2) / 3)
            Assert.That(statistics.Deviations[0], Is.EqualTo(Math.Sqrt(20.75 / 3)).Within(1e-6));
            Assert.That(statistics.Deviations[1], Is.Zero);
        });
        statistics.Apply(first);
        Assert.That(first.Row(1).ToArray(), Is.EqualTo(new float[3]), "a row that is the same everywhere says nothing");
        Assert.That(first.Row(0)[2], Is.EqualTo(-0.25 / Math.Sqrt(20.75 / 3)).Within(1e-6));
    }

    [TestCase(FeatureKind.MfccRaw)]
    [TestCase(FeatureKind.Spectrogram)]
    public void Of_ACorpus_IsTheSameWithAnyNumberOfThreads_AndNormalizesIt(FeatureKind kind)
    {
        using var folder = new TempFolder();
        Corpus corpus = folder.LoadNoise(1600, 4800, 100, 3200, 2400);
        var plain = new FeatureExtractor(kind, FeatureNormalization.Corpus);
        RowStatistics one = FeatureSurvey.Of(corpus, plain, null, 1, Ds2.Runtime.NoProgress.Instance), many = FeatureSurvey.Of(corpus, plain, null, 3, Ds2.Runtime.NoProgress.Instance);
        Assert.That((one.Means, one.Deviations), Is.EqualTo((many.Means, many.Deviations)));
        var extractor = new FeatureExtractor(kind, FeatureNormalization.Corpus, one);
        var after = new RowSums(extractor.Rows);
        foreach (Utterance utterance in corpus.Utterances.Where(u => !extractor.IsTooShort(u.AudioPath, u.Seconds)))
            after.Add(extractor.Normalize(extractor.FromFile(utterance.AudioPath)));
        RowStatistics normalized = after.ToStatistics();
        Assert.Multiple(() =>
        {
            Assert.That(normalized.Means, Is.All.EqualTo(0).Within(1e-4));
            Assert.That(normalized.Deviations, Is.All.EqualTo(1).Within(1e-4));
            Assert.That(() => plain.Normalize(new FeatureMatrix(new float[plain.Rows], plain.Rows, 1)), Throws.InvalidOperationException);
        });
    }

    /// <summary>What live recognition stands on: a loud sound later in the recording changes nothing before it.</summary>
    [TestCase(FeatureKind.Mfcc)]
    [TestCase(FeatureKind.MfccRaw)]
    [TestCase(FeatureKind.Spectrogram)]
    public void Extract_ByTheCorpus_FramesDoNotDependOnThoseThatFollow(FeatureKind kind)
    {
        var random = new Random(3);
        float[] quiet = [.. Enumerable.Range(0, 8000).Select(_ => 1e-6f * random.NextSingle())], loud = [.. quiet, .. Enumerable.Range(0, 8000).Select(_ => random.NextSingle())];
        var extractor = new FeatureExtractor(kind, FeatureNormalization.Corpus);
        FeatureMatrix alone = extractor.Extract(quiet), followed = extractor.Extract(loud);
        int sure = alone.Frames - 2;
        for (int row = 0; row < extractor.Rows; row++)
            Assert.That(followed.Row(row)[..sure].ToArray(), Is.EqualTo(alone.Row(row)[..sure].ToArray()), $"row {row}");
    }

    [Test]
    public void Description_KeepsTheFigures()
    {
        var options = new ModelOptions { Features = FeatureKind.MfccRaw, Normalization = FeatureNormalization.Corpus };
        var statistics = new RowStatistics(Enumerable.Range(0, 13).Select(i => i / 3f), Enumerable.Range(0, 13).Select(i => i / 7f));
        var read = ModelDescription.Parse(new ModelDescription(options, Alphabet.English, statistics).ToJson(), "a file");
        Assert.That((read.Options, read.FeatureStatistics!.Means, read.FeatureStatistics.Deviations), Is.EqualTo((options, statistics.Means, statistics.Deviations)));
        string short12 = new ModelDescription(options, Alphabet.English, new RowStatistics(new float[12], new float[12])).ToJson();
        Assert.That(() => ModelDescription.Parse(short12, "a file"), Throws.TypeOf<Ds2.Runtime.InputException>().With.Message.StartsWith("a file").And.Message.Contains("12 rows"));
        Assert.That(() => new RowStatistics([1], [float.NaN]), Throws.ArgumentException);
    }
}
