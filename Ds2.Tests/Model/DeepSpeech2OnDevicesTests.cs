using Ds2.Runtime.Layers;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Model;

/// <summary>The whole model on every engine but the host: the same bits each time, and the host's loss and gradients.</summary>
/// <remarks>The host's gradients are checked against differences of the loss; a hundred losses on an emulated GPU would take minutes.</remarks>
[TestFixtureSource(nameof(Devices))]
public sealed class DeepSpeech2OnDevicesTests(string engineName)
{
    private static IEnumerable<string> Devices => TestEngines.Names.Where(name => !name.StartsWith("host", StringComparison.Ordinal));

    /// <summary>
    /// Both sum in fp32, in different orders, over three layers and some ten frames: gradients agree to a few parts in ten thousand of each
    /// parameter's norm. A wrong term moves them by about the norm itself.
    /// </summary>
    [Test]
    public void LossAndGradients_RepeatBitForBit_AndMatchTheHost()
    {
        using var device = new TinyModel(TestEngines.Get(engineName));
        using var host = new TinyModel(TestEngines.Get("host-1"));
        double loss = device.LossAndGradients();
        float[] gradients = device.Model.Parameters.Gradients.ToArray();
        Assert.That(device.LossAndGradients(), Is.EqualTo(loss));
        Assert.That(device.Model.Parameters.Gradients.ToArray(), Is.EqualTo(gradients));

        Assert.That(loss, Is.EqualTo(host.LossAndGradients()).Within(1e-3).Percent);
        foreach ((Parameter own, Parameter expected) in device.Model.Parameters.Parameters.Zip(host.Model.Parameters.Parameters))
        {
            float[] reference = expected.Gradient.ToArray();
            double norm = Math.Sqrt(reference.Sum(g => (double)g * g));
            double distance = Math.Sqrt(own.Gradient.ToArray().Zip(reference, (a, b) => Math.Pow(a - b, 2)).Sum());

            // A convolution's bias has no effect through the normalisation behind it: its gradient is rounding alone.
            Assert.That(distance, Is.LessThan(own.Name is "conv.0.bias" or "conv.3.bias" ? 1e-4 : 5e-4 * norm), own.Name);
        }
    }
}
