using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Recognition.Long;
using Ds2.Runtime.Text;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;
using Ds2.Tests.Training;

namespace Ds2.Tests.Recognition.Long;

/// <summary>Recordings of any length through an untrained model, which hears something other in every frame.</summary>
public sealed class TranscriberTests
{
    private TempFolder folder = null!;
    private HostEngine engine = null!;
    private DeepSpeech2 model = null!;
    private Recognizer recognizer = null!;
    private readonly ModelDescription description = new(TrainingRuns.Tiny.Model, Alphabet.English);

    [SetUp]
    public void MakeRecognizer()
    {
        folder = new TempFolder();
        engine = new HostEngine(threads: 1);
        model = new DeepSpeech2(description.Architecture, engine, seed: 1, trains: false);
        recognizer = new Recognizer(model, new GreedyDecoder(Alphabet.English));
    }

    [TearDown]
    public void FreeRecognizer()
    {
        recognizer.Dispose();
        model.Dispose();
        engine.Dispose();
        folder.Dispose();
    }

    /// <summary>Bursts with silence between, each of them a piece of its own: together they say what each says alone.</summary>
    [Test]
    public void Pauses_AreNoPartOfTheTexts()
    {
        var whole = new List<float>();
        var texts = new List<string>();
        for (int i = 0; i < 12; i++)
        {
            float[] burst = Sounds.Noise(16000 * 4 + 160 * i, 0.3, i + 1);
            // A tenth of a second of the silence belongs to a piece, on each side.
            float[] alone = [.. new float[i == 0 ? 0 : 1600], .. burst, .. new float[1600]];
            WavWriter.Write(folder[$"{i}.wav"], alone);
            texts.Add(Run(folder[$"{i}.wav"]).Text);
            whole.AddRange([.. burst, .. new float[16000]]);
        }
        WavWriter.Write(folder["whole.wav"], whole.ToArray());
        Transcription together = Run(folder["whole.wav"]);
        Assert.That(texts, Has.All.Not.Empty);
        Assert.That(together.Segments.Select(segment => segment.Text), Is.EqualTo(texts.Select(text => text.Trim())));
        Assert.That(together.Seconds, Is.EqualTo(whole.Count / 16000.0).Within(1e-9));
    }

    /// <summary>A model that is used to digital silence: however much of it stands around an utterance, by the sample, the joined text is the utterances' own.</summary>
    [Test]
    public void DigitalSilence_OfAnyLength_ChangesNoText()
    {
        ModelDescription used = description with { Typical = new TypicalUtterance(3, 0.0573) };
        var whole = new List<float>();
        var texts = new List<string>();
        for (int i = 0; i < 15; i++)
        {
            float[] utterance = [.. new float[311 * i % 1600], .. Sounds.Noise(16000 * 2 + 3333 * i, 0.3, i + 1), .. new float[173 * i % 1600]];
            WavWriter.Write(folder[$"{i}.wav"], utterance);
            texts.Add(Run(folder[$"{i}.wav"], of: used).Text.Trim());
            whole.AddRange([.. utterance, .. new float[8000 + 1234 * i]]);
        }
        WavWriter.Write(folder["whole.wav"], whole.ToArray());
        Transcription together = Run(folder["whole.wav"], new TranscriberOptions { Words = true, KeepsWords = true }, used);
        Assert.That(texts, Has.All.Not.Empty);
        Assert.That(together.Segments.Select(segment => segment.Text), Is.EqualTo(texts));
        Assert.That(together.Words.Select(word => word.Start), Is.Ordered);
        Assert.That(together.Segments[^1].End, Is.EqualTo((whole.Count - 8000 - 14 * 1234 - 173 * 14 % 1600) / 16000.0).Within(0.1));
    }

    [Test]
    public void Words_HaveTimesAndConfidence()
    {
        WavWriter.Write(folder["long.wav"], Sounds.Noise(16000 * 70, 0.3));
        Transcription transcription = Run(folder["long.wav"], new TranscriberOptions { Words = true, KeepsWords = true, Confidence = true, Alternatives = 2 });
        Assert.That(transcription.Segments, Has.Count.GreaterThan(1));
        foreach (TimedWord word in transcription.Words)
        {
            Assert.That(word.End, Is.GreaterThan(word.Start).And.LessThanOrEqualTo(70));
            Assert.That(word.Confidence, Is.InRange(0, 1));
        }
    }

    /// <summary>An untrained model writes something whatever it hears; where no sample is other than zero, nobody asks it.</summary>
    [Test]
    public void NothingButZeros_SaysNothing([Values(1, 40)] int seconds)
    {
        WavWriter.Write(folder["silence.wav"], new float[16000 * seconds]);
        Assert.That(Run(folder["silence.wav"]).Text, Is.Empty);
    }

    [Test]
    public void Alternatives_BeginWithTheText()
    {
        // Short bursts: greedy and the beam differ in some.
        for (int i = 0; i < 20; i++)
        {
            WavWriter.Write(folder["burst.wav"], Sounds.Noise(16000 + 320 * i, 0.3, i + 1));
            Transcription transcription = Run(folder["burst.wav"], new TranscriberOptions { Alternatives = 3 });
            foreach (Segment segment in transcription.Segments)
            {
                Assert.That(segment.Text, Is.EqualTo(segment.Alternatives[0].Text));
                foreach (string text in segment.Alternatives.Select(alternative => alternative.Text))
                    Assert.That(text, Is.EqualTo(text.Trim()).And.Not.Contain("  "));
                Assert.That(segment.Alternatives.Select(alternative => alternative.Text), Is.Unique);
            }
        }
    }

    /// <summary>A recognizer that searches anyway searches once: its texts do not depend on what else is asked for.</summary>
    [Test]
    public void Search_OfTheRecognizer_HasTextsAlternativesAndConfidences()
    {
        WavWriter.Write(folder["long.wav"], Sounds.Noise(16000 * 70, 0.3));
        using var searching = new Recognizer(model, new BeamDecoder(Alphabet.English, new BeamOptions { Width = 7 }, threads: 2));
        Transcription[] transcriptions =
        [
            .. new[] { new TranscriberOptions(), new() { Words = true, KeepsWords = true, Confidence = true }, new() { Alternatives = 9 } }
                .Select(options => new Transcriber(searching, description, options).Run([new RecordingSource(folder["long.wav"])]).Single().Transcription!),
        ];
        Assert.That(transcriptions.Select(transcription => transcription.Text), Is.All.EqualTo(transcriptions[0].Text).And.All.Not.EqualTo(Run(folder["long.wav"]).Text));
        Assert.That(transcriptions[1].Words.Select(word => word.Confidence), Is.All.InRange(0, 1));
        Assert.That(transcriptions[2].Segments.Select(segment => segment.Alternatives.Count), Is.All.InRange(2, 7));
    }

    /// <summary>Beside a language model, what was heard alone has its say on how sure a word is.</summary>
    [Test]
    public void Confidences_BesideALanguageModel_AreOfASearchWithoutItToo()
    {
        string path = folder["burst.wav"];
        WavWriter.Write(path, Sounds.Noise(16000 * 3, 0.3));
        using var words = LanguageModel.Open(folder.Write("model.arpa", "\\data\\\nngram 1=5\n\n\\1-grams:\n-99\t<s>\n-0.9\t</s>\n-0.5\tA\n-0.5\tI\n-3\t<unk>\n\n\\end\\\n"));
        var options = new BeamOptions { Width = 20 };
        using var searching = new Recognizer(model, new BeamDecoder(Alphabet.English, options, words));
        Transcription transcription = new Transcriber(searching, description, new TranscriberOptions { Words = true, KeepsWords = true, Confidence = true }).Run([new RecordingSource(path)]).Single().Transcription!;

        FeatureMatrix heard = new RecordingSource(path).Pieces(description.CreateExtractor(), description.Typical, _ => { }).Single().Features;
        BatchLogits logits = searching.Hear(heard.Values, [heard.Frames], heard.Frames);
        IReadOnlyList<Hypothesis>[] lists = [.. new[] { words, null }.Select(with => new BeamDecoder(Alphabet.English, options, with).Best(logits.Values, logits.T, 1, logits.Frames, 20)[0])];
        double[] expected = WordPosteriors.OfBoth(Alphabet.English, lists[0][0].Text, lists[0], lists[1]);
        Assert.That(transcription.Words.Select(word => word.Confidence!.Value), Is.EqualTo(expected));
        Assert.That(expected, Is.Not.Empty.And.Not.EqualTo(WordPosteriors.Of(Alphabet.English, lists[0])), "the searches agree: nothing was tested");
    }

    [Test]
    public void Unreadable_IsToldAndTheOthersAreDone([Values(1, 3)] int readers)
    {
        for (int i = 0; i < 5; i++)
            WavWriter.Write(folder[$"{i}.wav"], Sounds.Noise(16000, 0.3, i + 1));
        byte[] cut = File.ReadAllBytes(folder["2.wav"]);
        File.WriteAllBytes(folder["2.wav"], cut[..1000]);
        var transcriber = new Transcriber(recognizer, description, new TranscriberOptions { Readers = readers });
        TranscriptionOutcome[] outcomes = [.. transcriber.Run(Enumerable.Range(0, 5).Select(i => new RecordingSource(folder[$"{i}.wav"])))];
        Assert.That(outcomes, Has.Length.EqualTo(5));
        TranscriptionOutcome bad = outcomes.Single(outcome => outcome.Fault is not null);
        Assert.That(bad.Source.Name, Is.EqualTo(folder["2.wav"]));
        Assert.That(bad.Fault!.Message, Does.StartWith(folder["2.wav"] + ": truncated"));
    }

    /// <summary>A pool that is always full makes many batches of the same pieces: their texts stay the same.</summary>
    [Test]
    public void Batches_ChangeNothing()
    {
        string[] paths = [.. Enumerable.Range(0, 9).Select(i => folder[$"{i}.wav"])];
        for (int i = 0; i < paths.Length; i++)
            WavWriter.Write(paths[i], Sounds.Noise(16000 + 4000 * i, 0.3, i + 1));
        string[] one = Texts(new TranscriberOptions { BatchSeconds = 0.5 }), many = Texts(new TranscriberOptions { BatchSeconds = 100, Readers = 2 });
        Assert.That(many, Is.EqualTo(one));

        string[] Texts(TranscriberOptions options) => [.. new Transcriber(recognizer, description, options).Run(paths.Select(path => new RecordingSource(path)))
            .OrderBy(outcome => outcome.Source.Name, StringComparer.Ordinal).Select(outcome => outcome.Transcription!.Text)];
    }

    [Test]
    public void Cancelled_Ends()
    {
        WavWriter.Write(folder["long.wav"], Sounds.Noise(16000 * 70, 0.3));
        using var stop = new CancellationTokenSource();
        var transcriber = new Transcriber(recognizer, description, new TranscriberOptions { BatchSeconds = 1 });
        Assert.That(
            () => transcriber.Run([new RecordingSource(folder["long.wav"])], (_, _) => stop.Cancel(), stop.Token).ToArray(), Throws.InstanceOf<OperationCanceledException>());
    }

    private Transcription Run(string path, TranscriberOptions? options = null, ModelDescription? of = null) =>
        new Transcriber(recognizer, of ?? description, options ?? new TranscriberOptions()).Run([new RecordingSource(path)]).Single() is { Transcription: { } done } ? done
            : throw new InputException("not read");
}
