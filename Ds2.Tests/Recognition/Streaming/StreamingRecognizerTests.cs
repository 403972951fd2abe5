using Ds2.Runtime;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Features;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Recognition.Streaming;

/// <summary>Live sound through a small random model: its logits and texts are those of the recording.</summary>
public sealed class StreamingRecognizerTests
{
    // With no pause that a random model would make: one passage.
    private static readonly StreamingOptions OnePassage = new() { Pause = 1000, LongestPassage = 1000 };

    private LiveModel live = null!;

    [SetUp]
    public void MakeModel() => live = new LiveModel();

    [TearDown]
    public void FreeModel() => live.Dispose();

    [TestCase(16000, 1, 0.7)]
    [TestCase(16000, 1600, 1.2)]
    [TestCase(16000, 160000, 12)]
    [TestCase(8000, 3000, 3)]
    [TestCase(44100, 20000, 3)]
    [TestCase(16000, 3000, 2, 15)]
    public void Accept_RandomPieces_GivesTheRecordingsLogitsAndText(int rate, int largest, double seconds, int padFrames = 0)
    {
        using var live = new LiveModel(padFrames: padFrames);
        float[] sound = LiveModel.Speech((int)(seconds * rate));
        (float[] whole, string text) = live.Whole(sound, rate);
        using var streaming = new StreamingModel(live.Model, live.Description, OnePassage);
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
        Compare.Close(((float[])[.. logits]).ToDouble(), whole.ToDouble(), Tolerances.Streamed.Times(LiveModel.Contrast), "logits");
        if (whole.Length <= 64 * live.Description.Alphabet.Size)
            Compare.BitEqual([.. logits], whole, "logits, from the same kernels");
        Assert.That(stream.TryTake(out Passage? passage));
        Assert.That(passage!.Text, Is.EqualTo(string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        Assert.That(passage.Words.Select(word => word.Text), Is.EqualTo(passage.Text.Split(' ')));
        Assert.That(passage.Words.Zip(passage.Words.Skip(1), (word, next) => word.Start < word.End && word.End <= next.Start), Has.All.True);
        Assert.That(stream.TryTake(out _), Is.False);
    }

    /// <summary>Where there was no sound there is nothing to pad: nothing is said.</summary>
    [TestCase(0)]
    [TestCase(15)]
    public void Finish_WithoutSound_SaysNothing(int padFrames)
    {
        using var live = new LiveModel(padFrames: padFrames);
        using var streaming = new StreamingModel(live.Model, live.Description, OnePassage);
        StreamingRecognizer stream = streaming.Open();
        stream.Finish();
        stream.Advance();
        Assert.That((stream.State.Frames, stream.Text), Is.EqualTo((0, "")));
    }

    /// <summary>The texts of a beam search are those of the recording's logits, and what is stable of them stays.</summary>
    [Test]
    public void Accept_WithABeam_GivesTheRecordingsText()
    {
        float[] sound = LiveModel.Speech(40000);
        var options = new BeamOptions { Width = 20 };
        using var streaming = new StreamingModel(live.Model, live.Description, OnePassage, () => new BeamPassage(live.Description.Alphabet, options));
        StreamingRecognizer stream = streaming.Open();
        var logits = new List<float>();
        string stable = "";
        for (int first = 0; first < sound.Length; first += 1600)
        {
            stream.Accept(sound.AsSpan(first, 1600));
            stream.Advance();
            logits.AddRange(stream.State.Logits);
            Assert.That(stream.Text, Does.StartWith(stable));
            stable = stream.Text[..stream.Stable];
        }

        stream.Finish();
        stream.Advance();
        logits.AddRange(stream.State.Logits);
        string text = new BeamDecoder(live.Description.Alphabet, options).Best([.. logits], logits.Count / live.Description.Alphabet.Size, 1)[0].Text;
        Assert.That(stream.TryTake(out Passage? passage));
        Assert.That(passage!.Text, Is.EqualTo(string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries))).And.StartsWith(stable));
    }

    [Test]
    public void Advance_OfSeveral_IsEachOnesOwn()
    {
        using var streaming = new StreamingModel(live.Model, live.Description, OnePassage);
        float[][] sounds = [LiveModel.Speech(16000), LiveModel.Speech(9000), LiveModel.Speech(30000)];
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
            Assert.That(passage!.Text, Is.EqualTo(string.Join(' ', live.Whole(sounds[i], 16000).Text.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        }
    }

    [Test]
    public void Finish_OfNothingOrNearlyNothing_HearsNothing()
    {
        using var streaming = new StreamingModel(live.Model, live.Description);
        foreach (int samples in (int[])[0, 100, 2000])
        {
            StreamingRecognizer stream = streaming.Open();
            stream.Accept(LiveModel.Speech(samples));
            stream.Finish();
            stream.Advance();
            Assert.That((stream.Text, stream.TryTake(out _)), Is.EqualTo(("", false)));
            Assert.That(() => stream.Accept([0]), Throws.InvalidOperationException);
        }
    }

    [Test]
    public void New_NormalizedByTheUtterance_IsRefusedInOneLine() => Assert.That(
        () => new StreamingModel(live.Model, live.Description with { Options = live.Description.Options with { Normalization = FeatureNormalization.Utterance } }),
        Throws.TypeOf<InputException>().With.Message.Contains("normalization=corpus").And.Message.Not.Contains("\n"));

    /// <summary>The model's 31 feature frames end 150 ms after their centre, the last one's window 10 ms later; at 8 kHz half a filter of 34 samples comes on top.</summary>
    [Test]
    public void Latency_IsWhatTheModelLooksAhead()
    {
        using var streaming = new StreamingModel(live.Model, live.Description);
        Assert.That(streaming.Open().Latency, Is.EqualTo(0.160).Within(1e-9));
        Assert.That(streaming.Open(8000).Latency, Is.EqualTo(0.160 + 34 / 8000.0).Within(1e-9));
        StreamingRecognizer stream = streaming.Open();
        float[] sound = LiveModel.Speech(16000);
        // Frame 0, centred on 150 ms, after 310 ms.
        stream.Accept(sound.AsSpan(0, 4959));
        stream.Advance();
        Assert.That(stream.State.Frames, Is.Zero);
        stream.Accept(sound.AsSpan(4959, 1));
        stream.Advance();
        Assert.That(stream.State.Frames, Is.EqualTo(1));
    }
}
