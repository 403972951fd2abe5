using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Features;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Data;

public sealed class FeatureRoomTests
{
    private static readonly FeatureKind[] Kinds = Enum.GetValues<FeatureKind>();

    [TestCaseSource(nameof(Kinds))]
    public void Energies_GiveTheirFeaturesBack(FeatureKind kind)
    {
        FeatureMatrix features = new FeatureExtractor(kind).Extract(Sounds.Noise(4000, 0.3));
        double[] energies = FeatureEnergy.Of(features, kind);
        Assert.That(energies, Has.Length.EqualTo(FrequencyAxis.RowsOf(kind) * features.Frames).And.All.Positive);
        FeatureMatrix again = FeatureEnergy.ToFeatures(energies, features.Frames, kind);
        Assert.That((again.Rows, again.Frames), Is.EqualTo((features.Rows, features.Frames)));
        Assert.That(again.Values, Is.EqualTo(features.Values).Within(1e-5 * features.Values.Max(Math.Abs)));
    }

    /// <summary>An energy twice as large is a level 3 dB higher, in whatever features.</summary>
    [TestCaseSource(nameof(Kinds))]
    public void Energies_AreThoseOfTheSound(FeatureKind kind)
    {
        float[] noise = Sounds.Noise(16000, 0.2), louder = Array.ConvertAll(noise, sample => (float)(Math.Sqrt(2) * sample));
        var extractor = new FeatureExtractor(kind);
        double ratio = FeatureEnergy.Of(extractor.Extract(louder), kind).Average() / FeatureEnergy.Of(extractor.Extract(noise), kind).Average();
        Assert.That(ratio, Is.EqualTo(2).Within(1e-3));
    }

    /// <remarks>Two independent sounds' energies add up, but for a factor that only the analysis's frames decide.</remarks>
    [Test]
    public void AddNoise_HasTheMeanAndTheSpreadOfNoiseThatIsMixedIntoSound()
    {
        const int frames = 2000, rows = 40;
        foreach (double slope in new[] { -2, 0, 0.5 })
        {
            var energies = new double[rows * frames];
            Array.Fill(energies, 5.0);
            var random = new SplitMix64(7);
            FeatureRoom.AddNoise(energies, frames, FeatureKind.Fbank40, 10, slope, ref random);
            double[] added = Array.ConvertAll(energies, energy => energy - 5);
            Assert.That(added.Average(), Is.EqualTo(0.5).Within(0.02), "10 dB under the mean");
            double[] means = [.. Enumerable.Range(0, rows).Select(row => added.Skip(row * frames).Take(frames).Average())];
            double expected = Math.Pow((FrequencyAxis.HertzOf(FeatureKind.Fbank40, 39) + 100) / (FrequencyAxis.HertzOf(FeatureKind.Fbank40, 0) + 100), slope);
            Assert.That(means[39] / means[0], Is.EqualTo(expected).Within(0.1 * expected));
            double deviation = Math.Sqrt(added.Take(frames).Average(energy => Math.Pow(energy / means[0] - 1, 2)));
            Assert.That(deviation, Is.EqualTo(Math.Sqrt(0.5)).Within(0.05), "of a mean of two exponential variates");
        }

        double[] sound = FeatureEnergy.Of(new FeatureExtractor(FeatureKind.Fbank40).Extract(Sounds.Noise(320000, 0.3)), FeatureKind.Fbank40);
        int count = sound.Length / rows;
        double lowest = sound.Take(count).Average(), relative = Math.Sqrt(sound.Take(count).Average(energy => Math.Pow(energy / lowest - 1, 2)));
        Assert.That(relative, Is.InRange(0.5, 1.1), "real noise's energy in the lowest filter, which this stands for");
    }

    [Test]
    public void Reverberate_DecaysAsItSays_AndAddsTheEnergyThatItSays()
    {
        const int frames = 200;
        double[] energies = new double[2 * frames];
        energies[10] = 1;
        energies[frames + 20] = 3;
        FeatureRoom.Reverberate(energies, frames, seconds: 0.5, decibels: 6);
        Assert.Multiple(() =>
        {
            Assert.That(energies[10], Is.EqualTo(1));
            Assert.That(energies.Take(10), Is.All.Zero, "nothing comes before the sound");
            Assert.That(10 * Math.Log10(energies[11] / energies[61]), Is.EqualTo(60).Within(1e-6), "60 dB in 0.5 s");
            Assert.That(energies.Skip(11).Take(frames - 11).Sum(), Is.EqualTo(Math.Pow(10, -0.6)).Within(1e-4));
            Assert.That(energies[frames + 21] / energies[11], Is.EqualTo(3).Within(1e-9), "each row by itself");
        });
    }

    [TestCaseSource(nameof(Kinds))]
    public void Apply_ChangesTheShareItSays_DependsOnSeedEpochAndUtterance_AndLeavesItsInput(FeatureKind kind)
    {
        FeatureMatrix features = new FeatureExtractor(kind).Extract(Sounds.Noise(4000, 0.3));
        float[] before = [.. features.Values];
        foreach (FeatureRoom room in new[] { new FeatureRoom(Noise: 0.25), new FeatureRoom(Reverb: 0.25) })
        {
            int changed = Enumerable.Range(0, 400).Count(utterance => !room.Apply(features, kind, 1, 2, utterance).Values.AsSpan().SequenceEqual(before));
            Assert.That(changed, Is.InRange(70, 130), "a quarter of 400");
        }

        var both = new FeatureRoom(1, 1);
        float[] first = both.Apply(features, kind, 1, 2, 3).Values;
        Assert.Multiple(() =>
        {
            Assert.That(features.Values, Is.EqualTo(before));
            Assert.That(first, Has.Length.EqualTo(before.Length).And.All.Matches<float>(float.IsFinite));
            Assert.That(both.Apply(features, kind, 1, 2, 3).Values, Is.EqualTo(first));
            Assert.That(both.Apply(features, kind, 2, 2, 3).Values, Is.Not.EqualTo(first));
            Assert.That(both.Apply(features, kind, 1, 3, 3).Values, Is.Not.EqualTo(first));
            Assert.That(both.Apply(features, kind, 1, 2, 4).Values, Is.Not.EqualTo(first));
        });
    }

    /// <summary>What is kept for later epochs is what was given: the result may be overwritten, also that of an utterance for which nothing was drawn.</summary>
    [Test]
    public void Apply_AlwaysGivesACopy()
    {
        var features = new FeatureMatrix(new float[40 * 3], 40, 3);
        foreach (FeatureAugment augment in new[] { default, new FeatureAugment(new FeatureWarp(Tempo: 0.1)), new FeatureAugment(Room: new FeatureRoom(0.5, 0.5)) })
        {
            for (int utterance = 0; utterance < 20; utterance++)
                Assert.That(augment.Apply(features, FeatureKind.Fbank40, 1, 1, utterance).Values, Is.Not.SameAs(features.Values));
        }
    }

    /// <summary>Silence, one frame, and stored coefficients that are no levels of anything: whatever training meets stays finite.</summary>
    [TestCaseSource(nameof(Kinds))]
    public void Apply_OfExtremeFeatures_StaysFinite(FeatureKind kind)
    {
        var extractor = new FeatureExtractor(kind);
        FeatureMatrix silence = extractor.Extract(new float[1600]);
        foreach (float value in new[] { 0, 1e3f, -1e3f, 1e18f, -1e18f })
        {
            foreach (FeatureMatrix features in new[] { silence, new FeatureMatrix([.. Enumerable.Repeat(value, extractor.Rows)], extractor.Rows, 1) })
                Assert.That(new FeatureRoom(1, 1).Apply(features, kind, 1, 1, 1).Values, Has.All.Matches<float>(float.IsFinite), $"{value}");
        }
    }
}
