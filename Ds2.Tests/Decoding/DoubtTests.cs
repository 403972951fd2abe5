using Ds2.Runtime.Decoding;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

/// <summary>The temperature that a model's doubt asks for, and who goes by it.</summary>
public sealed class DoubtTests
{
    /// <summary>The mean entropy, in double and label by label, of the frames in which the blank has less than a half; five frames of 0.15 nats beside them.</summary>
    [TestCase(3, 2.0)]
    [TestCase(8, 3.0)]
    [TestCase(29, 4.0)]
    [TestCase(29, 9.0)]
    [TestCase(60, 6.0)]
    public void Temperature_IsThatOfTheMeanEntropy(int labels, double scale)
    {
        const int frames = 40;
        float[] logits = BruteForce.Logits(new Random(labels), frames, labels, scale);
        logits[1] = float.NaN;
        logits[labels + 2] = float.NegativeInfinity;
        double entropy = 5 * 0.15;
        int counted = 5;
        var doubt = default(Doubt);
        for (int t = 0; t < frames; t++)
        {
            float[] frame = logits[(t * labels)..((t + 1) * labels)];
            doubt.Add(frame);
            double[] exponentials = [.. frame.Select(logit => float.IsNaN(logit) ? 0 : Math.Exp(logit))];
            double sum = exponentials.Sum();
            if (exponentials[0] >= sum / 2)
                continue;
            entropy -= exponentials.Where(e => e > 0).Sum(e => e / sum * Math.Log(e / sum));
            counted++;
        }

        Assert.That(counted, Is.GreaterThan(20), "or nothing is tested");
        Assert.That(doubt.Temperature, Is.EqualTo(Math.Clamp(1 + 5 * (entropy / counted - 0.15), 1, 2.3)).Within(1e-4));
    }

    [Test]
    public void Temperature_OfNothingSureOrSilent_IsOne()
    {
        var doubt = default(Doubt);
        Assert.That(doubt.Temperature, Is.EqualTo(1));
        for (int t = 0; t < 50; t++)
        {
            doubt.Add([0, 20, 0, 0]);
            doubt.Add([1.2f, 0, 0, float.NaN]);
            doubt.Add([0, float.PositiveInfinity, 0, 0]);
            doubt.Add([float.NaN, float.NaN, float.NegativeInfinity, float.NaN]);
        }

        Assert.That(doubt.Temperature, Is.EqualTo(1));
    }

    /// <summary>A stream's earlier voices count less and less.</summary>
    [Test]
    public void Temperature_OfALongStream_ForgetsWhatWasLongAgo()
    {
        var doubt = default(Doubt);
        for (int t = 0; t < 100_000; t++)
            doubt.Add([0, 1, 1, 1]);
        Assert.That(doubt.Temperature, Is.EqualTo(2.3));
        for (int t = 0; t < 30_000; t++)
            doubt.Add([0, 20, 0, 0]);
        Assert.That(doubt.Temperature, Is.EqualTo(1));
    }

    /// <summary>Each utterance is searched at its own temperature, whichever was before it, alone or in a batch; without a language model at none.</summary>
    [Test]
    public void Decoder_GoesByEachUtterancesOwnDoubt() => FusionTests.With(FusionTests.Bigrams(unknown: true), model =>
    {
        const int frames = 30;
        Alphabet letters = FusionTests.Letters;
        int labels = letters.Size;
        var byDoubt = new BeamDecoder(letters, new BeamOptions(), model);
        float[][] utterances = [.. new[] { 1.0, 8, 12, 40 }.Select((scale, seed) => BruteForce.Logits(new Random(seed), frames, labels, scale))];
        var temperatures = new HashSet<double>();
        foreach (float[] logits in utterances)
        {
            var doubt = default(Doubt);
            for (int t = 0; t < frames; t++)
                doubt.Add(logits.AsSpan(t * labels, labels));
            temperatures.Add(doubt.Temperature);
            Hypothesis own = byDoubt.Best(logits, frames, 1)[0];
            Assert.That(own, Is.EqualTo(new BeamDecoder(letters, new BeamOptions { Temperature = doubt.Temperature }, model).Best(logits, frames, 1)[0]));
            Assert.That(new BeamDecoder(letters).Best(logits, frames, 1)[0], Is.EqualTo(new BeamDecoder(letters, new BeamOptions { Temperature = 1 }).Best(logits, frames, 1)[0]));
        }

        Assert.That(temperatures, Has.Count.GreaterThanOrEqualTo(3), "temperatures that differ");
        float[] batch = [.. Enumerable.Range(0, frames).SelectMany(t => utterances.SelectMany(logits => logits.Skip(t * labels).Take(labels)))];
        Assert.That(byDoubt.Decode(batch, frames, 4, [frames, frames, 11, frames]), Is.EqualTo(utterances.Select((logits, i) => byDoubt.Best(i == 2 ? logits[..(11 * labels)] : logits, i == 2 ? 11 : frames, 1)[0].Text)));
        return true;
    });

    [TestCase(0.0)]
    [TestCase(-1.0)]
    [TestCase(double.NaN)]
    [TestCase(101.0)]
    public void Options_TemperatureThatMakesNoSense_IsRefused(double temperature) =>
        Assert.That(() => new BeamSearch(Alphabet.English, new BeamOptions { Temperature = temperature }), Throws.ArgumentException.With.Message.Contains("temperature"));
}
