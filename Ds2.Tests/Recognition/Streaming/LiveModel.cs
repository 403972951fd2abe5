using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;

namespace Ds2.Tests.Recognition.Streaming;

/// <summary>A small random model that can hear live sound, and what it hears in a recording.</summary>
internal sealed class LiveModel : IDisposable
{
    /// <summary>What the logits of a new model are multiplied with: they are so near to one another that it writes one label only.</summary>
    public const float Contrast = 20;

    private readonly HostEngine engine = new(threads: 1);

    public LiveModel(bool bidirectional = false, int padFrames = 0)
    {
        int rows = new FeatureExtractor(FeatureKind.MfccRaw).Rows;
        Description = new ModelDescription(
            new ModelOptions
            {
                Features = FeatureKind.MfccRaw,
                Normalization = FeatureNormalization.Corpus,
                Channels = 2,
                PadFrames = padFrames,
                Hidden = 24,
                Layers = 2,
                RnnBatchNorm = true,
                Bidirectional = bidirectional,
            },
            Alphabet.English,
            new RowStatistics(Enumerable.Range(0, rows).Select(row => row == 0 ? -100f : row), Enumerable.Range(0, rows).Select(row => row == 0 ? 5f : 1f)));
        Model = new DeepSpeech2(Description.Architecture, engine, seed: 2, trains: false);
        Tensor weight = ((OutputLayer)Model.Layers[^1].Layer).Weight.Values;
        weight.CopyFrom([.. weight.ToArray().Select(value => Contrast * value)]);
    }

    public DeepSpeech2 Model { get; }

    public ModelDescription Description { get; }

    public static float[] Speech(int samples)
    {
        float[] noise = Sounds.Noise(samples, 0.3);
        return [.. noise.Select((value, i) => value * (float)Math.Sin(i / 1500.0) + 0.3f * (float)Math.Sin(i * (0.05 + 0.04 * Math.Sin(i / 4000.0))))];
    }

    /// <summary>The logits and the greedy text of a recording.</summary>
    public (float[] Logits, string Text) Whole(float[] sound, int rate)
    {
        FeatureExtractor extractor = Description.CreateExtractor();
        float[] samples = rate == AudioFile.SampleRate ? sound : Resampler.For(rate, AudioFile.SampleRate).Resample(sound);
        FeatureMatrix features = extractor.Normalize(extractor.Extract(samples));
        using ModelPass pass = Model.NewPass();
        using Tensor x = engine.Allocate(new Shape(1, 1, features.Rows, features.Frames));
        x.CopyFrom(features.Values);
        Sequence logits = pass.Forward(x, [features.Frames], training: false);
        float[] values = logits.Values.ToArray();
        return (values, new GreedyDecoder(Description.Alphabet).Decode(values, logits.Values.Shape[0], 1, logits.Frames.Host)[0]);
    }

    public void Dispose()
    {
        Model.Dispose();
        engine.Dispose();
    }
}
