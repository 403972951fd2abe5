using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Model;

namespace Ds2.Tests.Model;

/// <summary>The model sizes that MLPerf's reference prints.</summary>
public sealed class PresetTests
{
    private static readonly Architecture Mlperf = new(InputRows: 161, Channels: 32, Hidden: 2560, Layers: 3, Bidirectional: false, RnnBatchNorm: false, Classes: 29);

    [Test]
    public void Mlperf_HasTheReferencesLayers()
    {
        using var engine = new HostEngine(threads: 1);
        using var model = new DeepSpeech2(Mlperf, engine, seed: 1);
        IReadOnlyList<LayerSummary> layers = model.Summarize(batch: 8, frames: 1000);
        Assert.Multiple(() =>
        {
            Assert.That(layers[0].Output, Is.EqualTo(new Shape(8, 32, 61, 495)));
            Assert.That(layers[1].Output, Is.EqualTo(new Shape(8, 32, 21, 485)));
            Assert.That(layers[2].Output, Is.EqualTo(new Shape(485, 8, 672)));
            Assert.That(layers[3].Output, Is.EqualTo(new Shape(485, 8, 2560)));
            Assert.That(layers[^1].Output, Is.EqualTo(new Shape(485, 8, 29)));
            Assert.That(model.OutputFrames(1000), Is.EqualTo(485));

            // conv 32*451+32 + 64, 32*7392+32 + 64; GRU 3*2560*(672+2560+2), 2 * 3*2560*(2560+2560+2); norm 2*2560, linear 29*2560.
            Assert.That(model.Parameters.Count, Is.EqualTo(14_464 + 64 + 236_576 + 64 + 24_837_120 + 2 * 39_336_960 + 5_120 + 74_240));
        });
    }

    [Test]
    public void Mlperf_HasPyTorchsNames()
    {
        using var engine = new HostEngine(threads: 1);
        using var model = new DeepSpeech2(Mlperf with { Hidden = 4, Layers = 1, Bidirectional = true }, engine, seed: 1);
        Assert.That(
            model.Parameters.Parameters.Select(parameter => parameter.Name),
            Is.EquivalentTo(new[]
            {
                "conv.0.weight", "conv.0.bias", "conv.1.weight", "conv.1.bias", "conv.3.weight", "conv.3.bias", "conv.4.weight", "conv.4.bias",
                "rnns.0.rnn.weight_ih_l0", "rnns.0.rnn.weight_hh_l0", "rnns.0.rnn.bias_ih_l0", "rnns.0.rnn.bias_hh_l0",
                "rnns.0.rnn.weight_ih_l0_reverse", "rnns.0.rnn.weight_hh_l0_reverse", "rnns.0.rnn.bias_ih_l0_reverse", "rnns.0.rnn.bias_hh_l0_reverse",
                "fc.0.module.0.weight", "fc.0.module.0.bias", "fc.0.module.1.weight",
            }));
        Assert.That(
            model.Parameters.Statistics.Select(statistic => statistic.Name),
            Is.EquivalentTo(new[]
            {
                "conv.1.running_mean", "conv.1.running_var", "conv.4.running_mean", "conv.4.running_var",
                "fc.0.module.0.running_mean", "fc.0.module.0.running_var",
            }));
    }
}
