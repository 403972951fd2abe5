using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Model;

/// <summary>The whole model on the host. <see cref="DeepSpeech2OnDevicesTests"/> holds the other engines against it.</summary>
[TestFixture("host-1")]
[TestFixture("host-2")]
public sealed class DeepSpeech2Tests(string engineName)
{
    private IEngine Engine => TestEngines.Get(engineName);

    /// <summary>Central differences of the whole model's loss along each parameter's own gradient, and along a random direction.</summary>
    /// <remarks>
    /// The convolutions' activations are lifted to the middle of Hardtanh's range: differences across a kink say nothing (its gradient has tests of
    /// its own). The loss is fp32, of size 30, good to some 1e-6 of that; a step that changes it by about 0.02 gives the derivative to three digits. Along the
    /// gradient the derivative is the gradient's norm, the largest there is; a wrong factor, sign, or missing term shows.
    /// </remarks>
    [TestCase(true, true)]
    [TestCase(false, false)]
    [TestCase(true, true, 0.3)]
    [TestCase(false, false, 0.3)]
    [TestCase(true, true, 0.3, 15)]
    public void Backward_MatchesFiniteDifferences(bool bidirectional, bool rnnBatchNorm, double dropout = 0, int padFrames = 0)
    {
        using var tiny = new TinyModel(Engine, bidirectional, rnnBatchNorm, dropout: dropout, padFrames: padFrames);
        foreach (Parameter bias in tiny.Model.Parameters.Parameters.Where(parameter => parameter.Name is "conv.1.bias" or "conv.4.bias"))
            bias.Values.Fill(8);
        tiny.LossAndGradients();
        var gradients = tiny.Model.Parameters.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Gradient.ToArray());
        var random = new Random(5);
        foreach (Parameter parameter in tiny.Model.Parameters.Parameters)
        {
            float[] gradient = gradients[parameter.Name];
            double norm = Math.Sqrt(gradient.Sum(g => (double)g * g));

            // The bias of a convolution that batch normalisation follows has no effect on the loss: its gradient is rounding alone.
            if (parameter.Name is "conv.0.bias" or "conv.3.bias")
            {
                Assert.That(norm, Is.LessThan(1e-4), parameter.Name);
                continue;
            }

            Assert.That(norm, Is.GreaterThan(1e-4), $"{parameter.Name} has no gradient to check");
            float[] direction = [.. gradient.Select(g => (float)(g / norm + 0.3 * (2 * random.NextDouble() - 1) / Math.Sqrt(gradient.Length)))];
            double analytic = gradient.Zip(direction, (g, d) => (double)g * d).Sum();

            // The smallest gradients move the loss least, whose rounding is divided by the step: theirs is the largest.
            double numeric = DirectionalDifference(tiny, parameter, direction, step: Math.Min(0.05, 0.02 / norm));
            Assert.That(numeric, Is.EqualTo(analytic).Within(0.005 * norm), parameter.Name);
        }
    }

    [Test]
    public void Forward_PaddingDoesNotMatter()
    {
        using var tiny = new TinyModel(Engine);
        double loss = tiny.LossAndGradients();
        float[] gradients = tiny.Model.Parameters.Gradients.ToArray();

        // What stands after the end is seen by the first convolution's windows of padded frames alone, which the mask clears.
        tiny.Features.CopyFrom(TinyModel.RandomFeatures(padding: 7));
        Assert.That(tiny.LossAndGradients(), Is.EqualTo(loss));
        Assert.That(tiny.Model.Parameters.Gradients.ToArray(), Is.EqualTo(gradients));
    }

    [Test]
    public void Forward_AtInference_BatchEqualsSingles([Values(0, 15)] int padFrames)
    {
        using var tiny = new TinyModel(Engine, padFrames: padFrames);
        tiny.Loss();
        Sequence batch = tiny.Pass.Forward(tiny.Features, TinyModel.Frames, training: false);
        float[] together = batch.Values.ToArray();
        int[] outputFrames = batch.Frames.Host.ToArray();
        int n = outputFrames.Length;
        int classes = tiny.Model.Architecture.Classes;
        float[] features = tiny.Features.ToArray();
        int longest = TinyModel.Frames.Max();
        for (int i = 0; i < n; i++)
        {
            int frames = TinyModel.Frames[i];
            using Tensor alone = Engine.Allocate(new Shape(1, 1, TinyModel.Rows, frames));
            var own = new float[alone.Length];
            for (int row = 0; row < TinyModel.Rows; row++)
                Array.Copy(features, (i * TinyModel.Rows + row) * longest, own, row * frames, frames);
            alone.CopyFrom(own);
            float[] single = tiny.Pass.Forward(alone, [frames], training: false).Values.ToArray();
            for (int t = 0; t < outputFrames[i]; t++)
            {
                for (int c = 0; c < classes; c++)
                    Assert.That(together[(t * n + i) * classes + c], Is.EqualTo(single[t * classes + c]).Within(1e-5), $"utterance {i}, frame {t}, class {c}");
            }
        }
    }

    [Test]
    public void Forward_RepeatedRuns_AreBitEqual()
    {
        using var first = new TinyModel(Engine);
        using var second = new TinyModel(Engine);
        Assert.That(second.LossAndGradients(), Is.EqualTo(first.LossAndGradients()));
        Assert.That(second.Model.Parameters.Gradients.ToArray(), Is.EqualTo(first.Model.Parameters.Gradients.ToArray()));
    }

    [Test]
    public void Forward_OfAModelForInference_GivesTheBitsOfOneThatTrains([Values] bool bidirectional)
    {
        using var tiny = new TinyModel(Engine, bidirectional, seed: 4);
        using var model = new DeepSpeech2(tiny.Model.Architecture, Engine, seed: 4, trains: false);
        using ModelPass first = model.NewPass(), second = model.NewPass();
        float[] expected = tiny.Pass.Forward(tiny.Features, TinyModel.Frames, training: false).Values.ToArray();
        second.Reserve(TinyModel.Frames.Length, TinyModel.Frames.Max(), training: false);
        Assert.That(first.Forward(tiny.Features, TinyModel.Frames, training: false).Values.ToArray(), Is.EqualTo(expected));
        Assert.That(second.Forward(tiny.Features, TinyModel.Frames, training: false).Values.ToArray(), Is.EqualTo(expected), "another pass, by the same packed weights");
        Assert.That(first.BytesFor(3, 50, training: false), Is.LessThan(tiny.Pass.BytesFor(3, 50, training: false)), "no gates are kept");
    }

    [Test]
    public void Forward_DropoutIsOfTrainingAlone_AndItsMemoryIsCounted()
    {
        using var plain = new TinyModel(Engine);
        using var dropping = new TinyModel(Engine, dropout: 0.5);
        Assert.That(dropping.Loss(), Is.Not.EqualTo(plain.Loss()));
        Assert.That(dropping.Pass.BytesFor(3, 50, training: true), Is.GreaterThan(plain.Pass.BytesFor(3, 50, training: true)));
        foreach ((_, Tensor statistic) in plain.Model.Parameters.Statistics.Concat(dropping.Model.Parameters.Statistics))
            statistic.Fill(1);
        float[] Logits(TinyModel tiny) => tiny.Pass.Forward(tiny.Features, TinyModel.Frames, training: false).Values.ToArray();
        Assert.That(Logits(dropping), Is.EqualTo(Logits(plain)));
    }

    [Test]
    public void Forward_TooFewFrames_NamesTheNeed()
    {
        using var tiny = new TinyModel(Engine);
        int need = tiny.Model.MinimumFrames;
        using Tensor x = Engine.Allocate(new Shape(1, 1, TinyModel.Rows, need - 1));
        Assert.That(
            () => tiny.Pass.Forward(x, [need - 1], training: false),
            Throws.ArgumentException.With.Message.Contains($"need {need} frames"));
    }

    private static double DirectionalDifference(TinyModel tiny, Parameter parameter, float[] direction, double step)
    {
        float[] values = parameter.Values.ToArray();
        double difference = (LossAt(step) - LossAt(-step)) * 8 - (LossAt(2 * step) - LossAt(-2 * step));
        parameter.Values.CopyFrom(values);
        return difference / (12 * step);

        double LossAt(double distance)
        {
            parameter.Values.CopyFrom([.. values.Zip(direction, (v, d) => (float)(v + distance * d))]);
            return tiny.Loss();
        }
    }
}
