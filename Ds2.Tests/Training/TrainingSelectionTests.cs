using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Data;

namespace Ds2.Tests.Training;

public sealed class TrainingSelectionTests
{
    private static readonly RunOptions Tiny = new() { Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 4, Layers = 1 } };

    private static readonly FeatureExtractor Extractor = new(FeatureKind.MfccRaw);

    private TempFolder folder = null!;
    private HostEngine engine = null!;
    private DeepSpeech2 model = null!;

    [SetUp]
    public void MakeModel()
    {
        folder = new TempFolder();
        engine = new HostEngine(threads: 1);
        model = new DeepSpeech2(Tiny.Model.ArchitectureFor(Alphabet.English), engine, seed: 1);
    }

    [TearDown]
    public void DisposeModel()
    {
        model.Dispose();
        engine.Dispose();
        folder.Dispose();
    }

    /// <summary>One label for each output frame fits, one more does not; equal neighbours need a blank between.</summary>
    [Test]
    public void Select_LeavesOutTextsThatCannotFit()
    {
        string manifest = folder.WriteNoise(16000, 16000, 16000, 16000, 400);
        int frames = model.OutputFrames(101);
        string fits = string.Concat(Enumerable.Repeat("AB", frames))[..frames];
        folder.Write("u0.txt", fits);
        folder.Write("u1.txt", fits + fits[0]);
        folder.Write("u2.txt", "AA" + fits[2..]);
        Corpus selected = new TrainingSelection(Tiny.Data, model, Extractor).Select(Corpus.Load(manifest, Alphabet.English));
        Assert.That(selected.Utterances.Select(utterance => utterance.Id), Is.EqualTo(new[] { "u0", "u3" }));
        Assert.That(selected.TotalSeconds, Is.EqualTo(2));
        Assert.That(selected.LeftOut.Select(left => left.Utterance.Id), Is.EqualTo(new[] { "u4", "u1", "u2" }));
        Assert.That(selected.LeftOut[1].Reason, Is.EqualTo($"its text needs {frames + 1} output frames, the recording gives {frames}"));
    }

    [Test]
    public void Select_MaxSeconds_LeavesOutWhatIsLonger()
    {
        Corpus corpus = folder.LoadNoise(16000, 24000, 24001, 48000);
        Corpus selected = new TrainingSelection(Tiny.Data with { MaxSeconds = 1.5 }, model, Extractor).Select(corpus);
        Assert.That(selected.Utterances.Select(utterance => utterance.Id), Is.EqualTo(new[] { "u0", "u1" }));
        Assert.That(selected.LeftOut[^1].Reason, Is.EqualTo("3 s are more than maxSeconds=1.5"));
        Assert.That(() => new TrainingSelection(Tiny.Data with { MaxSeconds = 0.5 }, model, Extractor).Select(corpus), Throws.TypeOf<InputException>().With.Message.Contains("no utterance is left"));
    }

    /// <summary>Padding gives output frames to the shortest sound, but not to none.</summary>
    [Test]
    public void Select_RecordingTooShortForAFrame_IsLeftOut_WhateverIsPadded()
    {
        string manifest = folder.WriteNoise(256, 400);
        folder.Write("u0.txt", "A\n");
        folder.Write("u1.txt", "A\n");
        using var padded = new DeepSpeech2((Tiny.Model with { PadFrames = 15 }).ArchitectureFor(Alphabet.English), engine, seed: 1);
        Corpus selected = new TrainingSelection(Tiny.Data, padded, Extractor).Select(Corpus.Load(manifest, Alphabet.English));
        Assert.That(selected.Utterances.Select(utterance => utterance.Id), Is.EqualTo(new[] { "u1" }));
        Assert.That(selected.LeftOut.Single().Reason, Is.EqualTo("its text needs 1 output frames, the recording gives 0"));
        Assert.That((padded.OutputFrames(0), padded.OutputFrames(1)), Is.EqualTo((0, 1)));
    }

    [TestCase(16000)]
    [TestCase(200)]
    [TestCase(16001)]
    [TestCase(15999)]
    [TestCase(15840)]
    [TestCase(44100)]
    public void FramesOf_IsWhatTheExtractorGives(int samples)
    {
        foreach (int rate in new[] { 8000, 11025, 16000, 44100 })
        {
            Runtime.Audio.WavWriter.Write(folder["a.wav"], new float[samples], rate);
            int frames = Extractor.FramesOf(folder["a.wav"], Runtime.Audio.AudioFile.Duration(folder["a.wav"]));
            if (frames == 0)
                Assert.That(() => Extractor.FromFile(folder["a.wav"]), Throws.TypeOf<InputException>().With.Message.Contains("too short"), $"{rate} Hz");
            else
                Assert.That(frames, Is.EqualTo(Extractor.FromFile(folder["a.wav"]).Frames), $"{rate} Hz");
        }

        NpyFile.Write(folder["a.npy"], new float[57 * 13], 57, 13);
        Assert.That(Extractor.FramesOf(folder["a.npy"], Runtime.Audio.AudioFile.Duration(folder["a.npy"])), Is.EqualTo(57));
    }

    [Test]
    public void Select_NothingToWrite_IsLeftOut()
    {
        string manifest = folder.WriteNoise(16000, 24000);
        folder.Write("u0.txt", "123\n");
        Corpus selected = new TrainingSelection(Tiny.Data, model, Extractor).Select(Corpus.Load(manifest, Alphabet.English));
        Assert.That(selected.LeftOut.Select(left => (left.Utterance.Id, left.Reason)), Is.EqualTo(new[] { ("u0", "its text has nothing that the alphabet can write") }));
    }
}
