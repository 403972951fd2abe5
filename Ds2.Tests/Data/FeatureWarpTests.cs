using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Features;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

public sealed class FeatureWarpTests
{
    private static readonly FeatureKind[] Kinds = Enum.GetValues<FeatureKind>();

    private static float[] Tone(double hertz) => [.. Enumerable.Range(0, 8000).Select(i => (float)(0.3 * Math.Sin(2 * Math.PI * hertz * i / 16000)))];

    [TestCaseSource(nameof(Kinds))]
    public void RowOf_AndHertzOf_AreInverse_AndTheRowsAreThoseOfTheFeatures(FeatureKind kind)
    {
        int rows = FrequencyAxis.RowsOf(kind);
        Assert.That(rows, Is.EqualTo(kind == FeatureKind.MfccRaw ? 40 : new FeatureExtractor(kind).Rows));
        for (double row = 0; row < rows; row += 0.5)
            Assert.That(FrequencyAxis.RowOf(kind, FrequencyAxis.HertzOf(kind, row)), Is.EqualTo(row).Within(1e-9));
    }

    /// <summary>A tone's row is that of its frequency, and after warping that of the frequency which is heard there.</summary>
    [TestCase(FeatureKind.Fbank40)]
    [TestCase(FeatureKind.Fbank80)]
    [TestCase(FeatureKind.Spectrogram)]
    public void Warped_MovesATone(FeatureKind kind)
    {
        FeatureMatrix features = new FeatureExtractor(kind).Extract(Tone(2000));
        Assert.That(Loudest(features), Is.EqualTo(FrequencyAxis.RowOf(kind, 2000)).Within(0.75));
        foreach (double factor in new[] { 0.85, 0.95, 1.05, 1.15 })
            Assert.That(Loudest(FeatureWarp.Warped(features, kind, factor)), Is.EqualTo(FrequencyAxis.RowOf(kind, 2000 / factor)).Within(1.0), $"{factor}");
    }

    /// <summary>Warped coefficients are those of the warped levels that they describe, and so is the envelope that is drawn from them.</summary>
    [Test]
    public void Warped_OfCoefficients_IsTheirSpectrumsWarp()
    {
        float[] noise = Sounds.Noise(6000, 0.3);
        var raw = new FeatureExtractor(FeatureKind.MfccRaw);
        FeatureMatrix coefficients = raw.Extract(noise);
        FeatureMatrix drawn = Cepstrum.Envelope(FeatureWarp.Warped(coefficients, FeatureKind.MfccRaw, 1.1));
        FeatureMatrix warped = FeatureWarp.Warped(Cepstrum.Envelope(coefficients), FeatureKind.Mfcc, 1.1);
        double difference = Deviation(drawn.Values.Zip(warped.Values, (a, b) => (double)a - b)), size = Deviation(FeatureWarp.Warped(Cepstrum.Envelope(coefficients), FeatureKind.Mfcc, 1)
            .Values.Zip(warped.Values, (a, b) => (double)a - b));
        Assert.That(difference, Is.LessThan(0.5 * size), "13 coefficients do not hold all of a warped envelope of noise, but most of what the warp changes");
    }

    [TestCaseSource(nameof(Kinds))]
    public void Warped_ByAFactorOfOne_AndATempoOfOne_ChangeNothing(FeatureKind kind)
    {
        FeatureMatrix features = new FeatureExtractor(kind).Extract(Sounds.Noise(4000, 0.3));
        float largest = features.Values.Max(Math.Abs);
        Assert.That(FeatureWarp.Warped(features, kind, 1).Values, Is.EqualTo(features.Values).Within(1e-5 * largest));
        Assert.That(FeatureWarp.AtTempo(features, 1).Values, Is.EqualTo(features.Values));
    }

    [Test]
    public void Heard_IsContinuous_Rises_AndKeepsTheEnds([Values(0.8, 0.9, 1.0, 1.1, 1.2)] double factor)
    {
        double[] heard = [.. Enumerable.Range(0, 801).Select(i => FeatureWarp.Heard(10 * i, factor))];
        Assert.That((heard[0], heard[800]), Is.EqualTo((0.0, 8000.0)));
        Assert.That(heard.Zip(heard.Skip(1), (a, b) => b - a), Is.All.InRange(1.0, 20.0));
        Assert.That(heard[200], Is.EqualTo(2000 * factor).Within(1e-9));
    }

    /// <summary>Whatever is drawn within the limit: the axis rises, keeps its ends, and each region's middle is where its factor takes it.</summary>
    [Test]
    public void Bent_IsContinuous_Rises_KeepsTheEnds_AndHasEachRegionsFactor()
    {
        const double most = FeatureWarp.MostFormants;
        double[][] draws = [[1, 1, 1, 1, 1, 1], [1 - most, 1 + most, 1 - most, 1 + most, 1 - most, 1 + most], [1 + most, 1 - most, 1 + most, 1 - most, 1 + most, 1 - most]];
        foreach (double[] factors in draws)
        {
            double[] heard = [.. Enumerable.Range(0, 801).Select(i => FeatureWarp.Bent(10 * i, factors))];
            Assert.That((heard[0], heard[800]), Is.EqualTo((0.0, 8000.0)));
            Assert.That(heard.Zip(heard.Skip(1), (a, b) => b - a), Is.All.InRange(1.0, 30.0));
            Assert.That(heard[70], Is.EqualTo(700 * factors[1]).Within(1e-9));
            Assert.That(heard[420], Is.EqualTo(4200 * factors[5]).Within(1e-9));
        }
    }

    [TestCaseSource(nameof(Kinds))]
    public void Apply_OfFormants_ChangesFeatures_AndNotTheirLength(FeatureKind kind)
    {
        FeatureMatrix features = new FeatureExtractor(kind).Extract(Sounds.Noise(4000, 0.3));
        FeatureMatrix changed = new FeatureWarp(Formants: 0.1).Apply(features, kind, 1, 2, 3);
        Assert.That((changed.Rows, changed.Frames), Is.EqualTo((features.Rows, features.Frames)));
        Assert.That(changed.Values, Is.Not.EqualTo(features.Values));
        Assert.That(new FeatureWarp(Formants: 0.1).Apply(features, kind, 1, 3, 3).Values, Is.Not.EqualTo(changed.Values));
    }

    [TestCase(0.8)]
    [TestCase(1.25)]
    public void AtTempo_PlaysFasterOrSlower(double tempo)
    {
        var ramp = new FeatureMatrix([.. Enumerable.Range(0, 101).Select(i => (float)i), .. Enumerable.Range(0, 101).Select(i => -2f * i)], 2, 101);
        FeatureMatrix played = FeatureWarp.AtTempo(ramp, tempo);
        Assert.That(played.Frames, Is.EqualTo((int)(100 / tempo) + 1));
        for (int t = 0; t < played.Frames; t++)
            Assert.That((played.Row(0)[t], played.Row(1)[t]), Is.EqualTo(((float)(t * tempo), (float)(-2 * t * tempo))).Using<(float, float)>((a, b) => Math.Abs(a.Item1 - b.Item1) < 1e-3 && Math.Abs(a.Item2 - b.Item2) < 1e-3));
    }

    [Test]
    public void Apply_StaysInRange_DependsOnSeedEpochAndUtterance_AndLeavesItsInput()
    {
        var warp = new FeatureWarp(0.2, 0.1);
        var features = new FeatureMatrix(Sounds.Noise(40 * 200, 1), 40, 200);
        float[] before = [.. features.Values];
        float[] changed = warp.Apply(features, FeatureKind.Fbank40, 1, 2, 3).Values;
        int[] lengths = [.. Enumerable.Range(0, 200).Select(utterance => warp.Apply(features, FeatureKind.Fbank40, 1, 2, utterance).Frames)];
        Assert.Multiple(() =>
        {
            Assert.That(features.Values, Is.EqualTo(before));
            Assert.That(warp.Apply(features, FeatureKind.Fbank40, 1, 2, 3).Values, Is.EqualTo(changed));
            Assert.That(warp.Apply(features, FeatureKind.Fbank40, 2, 2, 3).Values, Is.Not.EqualTo(changed));
            Assert.That(warp.Apply(features, FeatureKind.Fbank40, 1, 3, 3).Values, Is.Not.EqualTo(changed));
            Assert.That(lengths.Min(), Is.InRange(166, 172));
            Assert.That(lengths.Max(), Is.InRange(240, (int)(200 * warp.LargestStretch)));
        });
    }

    private static int Loudest(FeatureMatrix features)
    {
        double[] sums = [.. Enumerable.Range(0, features.Rows).Select(row => features.Row(row).ToArray().Sum(value => (double)value))];
        return Array.IndexOf(sums, sums.Max());
    }

    private static double Deviation(IEnumerable<double> values) => Math.Sqrt(values.Average(value => value * value));
}
