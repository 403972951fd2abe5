using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Recognition.Streaming;

/// <summary>Live sound through a small random model: its logits and texts are those of the recording.</summary>
public sealed class StreamingRecognizerTests
{
    // With no pause that a random model would make: one passage.
    private static readonly StreamingOptions OnePassage = new() { Pause = 1000, LongestPassage = 1000 };

    private HostEngine engine = null!;
    private DeepSpeech2 model = null!;
    private ModelDescription description = null!;

    [SetUp]
    public void MakeModel()
    {
        engine = new HostEngine(threads: 1);
        int rows = new FeatureExtractor(FeatureKind.MfccRaw).Rows;
        description = new ModelDescription(
            new ModelOptions { Features = FeatureKind.MfccRaw, Normalization = FeatureNormalization.Corpus, Channels = 2, Hidden = 24, Layers = 2, RnnBatchNorm = true },
            Alphabet.English,
            new RowStatistics(Enumerable.Range(0, rows).Select(row => row == 0 ? -100f : row), Enumerable.Range(0, rows).Select(row => row == 0 ? 30f : 5f)));
        model = new DeepSpeech2(description.Architecture, engine, seed: 2, trains: false);
        // A new model's logits are so near to one another that it writes one label only.
        Tensor weight = ((OutputLayer)model.Layers[^1].Layer).Weight.Values;
        weight.CopyFrom([.. weight.ToArray().Select(value => 20 * value)]);
    }

    [TearDown]
    public void FreeModel()
    {
        model.Dispose();
        engine.Dispose();
    }

    [TestCase(16000, 1, 0.7)]
    [TestCase(16000, 1600, 1.2)]
    [TestCase(16000, 160000, 12)]
    [TestCase(8000, 3000, 3)]
    [TestCase(44100, 20000, 3)]
    public void Accept_RandomPieces_GivesTheRecordingsLogitsAndText(int rate, int largest, double seconds)
    {
        float[] sound = Speech((int)(seconds * rate));
        (float[] whole, string text) = Whole(sound, rate);
        using var streaming = new StreamingModel(model, description, OnePassage);
        StreamingRecognizer stream = streaming.Open(rate);
        var random = new Random(largest);
        var logits = new List<float>();
        string before = "";
        for (int first = 0, some; first < sound.Length; first += some)
        {
            some = Math.Min(sound.Length - first, random.Next(1, largest + 1));
            stream.Accept(sound.AsSpan(first, some));
            stream.Advance();
            logits.AddRange(stream.State.Logits);
            Assert.That(stream.Text, Does.StartWith(before), "a text that only grows at its tail");
            Assert.That(stream.Stable, Is.EqualTo(stream.Text.Length));
            before = stream.Text;
        }

        stream.Finish();
        stream.Advance();
        logits.AddRange(stream.State.Logits);
        Compare.Close(((float[])[.. logits]).ToDouble(), whole.ToDouble(), Tolerances.Streamed.Times(20), "logits");
        if (whole.Length <= 64 * description.Alphabet.Size)
            Compare.BitEqual([.. logits], whole, "logits, from the same kernels");
        Assert.That(stream.TryTake(out Passage? passage));
        Assert.That(passage!.Text, Is.EqualTo(string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        Assert.That(passage.Words.Select(word => word.Text), Is.EqualTo(passage.Text.Split(' ')));
        Assert.That(passage.Words.Zip(passage.Words.Skip(1), (word, next) => word.Start < word.End && word.End <= next.Start), Has.All.True);
        Assert.That(stream.TryTake(out _), Is.False);
    }

    [Test]
    public void Advance_OfSeveral_IsEachOnesOwn()
    {
        using var streaming = new StreamingModel(model, description, OnePassage);
        float[][] sounds = [Speech(16000), Speech(9000), Speech(30000)];
        StreamingRecognizer[] streams = [.. sounds.Select(_ => streaming.Open())];
        for (int first = 0; first < 30000; first += 1000)
        {
            for (int i = 0; i < sounds.Length; i++)
                if (first < sounds[i].Length)
                    streams[i].Accept(sounds[i].AsSpan(first, 1000));
                else
                    streams[i].Finish();
            streaming.Advance(streams);
        }

        streams[2].Finish();
        streaming.Advance(streams);
        for (int i = 0; i < sounds.Length; i++)
        {
            Assert.That(streams[i].TryTake(out Passage? passage));
            Assert.That(passage!.Text, Is.EqualTo(string.Join(' ', Whole(sounds[i], 16000).Text.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        }
    }

    [Test]
    public void Finish_OfNothingOrNearlyNothing_HearsNothing()
    {
        using var streaming = new StreamingModel(model, description);
        foreach (int samples in (int[])[0, 100, 2000])
        {
            StreamingRecognizer stream = streaming.Open();
            stream.Accept(Speech(samples));
            stream.Finish();
            stream.Advance();
            Assert.That((stream.Text, stream.TryTake(out _)), Is.EqualTo(("", false)));
            Assert.That(() => stream.Accept([0]), Throws.InvalidOperationException);
        }
    }

    [Test]
    public void New_NormalizedByTheUtterance_IsRefusedInOneLine() => Assert.That(
        () => new StreamingModel(model, description with { Options = description.Options with { Normalization = FeatureNormalization.Utterance } }),
        Throws.TypeOf<InputException>().With.Message.Contains("normalization=corpus").And.Message.Not.Contains("\n"));

    /// <summary>The model's 31 feature frames end 150 ms after their centre, the last one's window 10 ms later; at 8 kHz half a filter of 34 samples comes on top.</summary>
    [Test]
    public void Latency_IsWhatTheModelLooksAhead()
    {
        using var streaming = new StreamingModel(model, description);
        Assert.That(streaming.Open().Latency, Is.EqualTo(0.160).Within(1e-9));
        Assert.That(streaming.Open(8000).Latency, Is.EqualTo(0.160 + 34 / 8000.0).Within(1e-9));
        StreamingRecognizer stream = streaming.Open();
        float[] sound = Speech(16000);
        // Frame 0, centred on 150 ms, after 310 ms.
        stream.Accept(sound.AsSpan(0, 4959));
        stream.Advance();
        Assert.That(stream.State.Frames, Is.Zero);
        stream.Accept(sound.AsSpan(4959, 1));
        stream.Advance();
        Assert.That(stream.State.Frames, Is.EqualTo(1));
    }

    private (float[] Logits, string Text) Whole(float[] sound, int rate)
    {
        FeatureExtractor extractor = description.CreateExtractor();
        float[] samples = rate == 16000 ? sound : Runtime.Audio.Resampler.For(rate, 16000).Resample(sound);
        FeatureMatrix features = extractor.Normalize(extractor.Extract(samples));
        using ModelPass pass = model.NewPass();
        using Tensor x = engine.Allocate(new Shape(1, 1, features.Rows, features.Frames));
        x.CopyFrom(features.Values);
        Sequence logits = pass.Forward(x, [features.Frames], training: false);
        float[] values = logits.Values.ToArray();
        return (values, new GreedyDecoder(description.Alphabet).Decode(values, logits.Values.Shape[0], 1, logits.Frames.Host)[0]);
    }

    private static float[] Speech(int samples)
    {
        float[] noise = Sounds.Noise(samples, 0.3);
        return [.. noise.Select((value, i) => value * (float)Math.Sin(i / 1500.0) + 0.3f * (float)Math.Sin(i * (0.05 + 0.04 * Math.Sin(i / 4000.0))))];
    }
}
