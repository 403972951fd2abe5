using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Text;
using Ds2.Tests.Training;

namespace Ds2.Tests.Recognition;

/// <summary>Recordings in, texts out: the same texts that an evaluation hears.</summary>
public sealed class RecognizerTests
{
    private TinyCorpus corpus = null!;
    private HostEngine engine = null!;
    private DeepSpeech2 model = null!;
    private Recognizer recognizer = null!;

    [SetUp]
    public void MakeRecognizer()
    {
        corpus = new TinyCorpus();
        engine = new HostEngine(threads: 1);
        // An untrained model hears something other in every frame.
        model = new DeepSpeech2(TrainingRuns.Tiny.Model.ArchitectureFor(Alphabet.English), engine, seed: 1, trains: false);
        recognizer = new Recognizer(model, new GreedyDecoder(Alphabet.English));
    }

    [TearDown]
    public void FreeRecognizer()
    {
        recognizer.Dispose();
        model.Dispose();
        engine.Dispose();
        corpus.Dispose();
    }

    [Test]
    public void Transcribe_OneFile_IsWhatTheEvaluatorHearsInABatch()
    {
        using var loader = new BatchLoader(Corpus.Load(corpus.Manifest, Alphabet.English), new FeatureExtractor(FeatureKind.MfccRaw), 3, BatchOrder.Sorted, seed: 0);
        EvaluationResult evaluation = new Evaluator(recognizer).Run(loader);
        var extractor = new FeatureExtractor(FeatureKind.MfccRaw);
        Assert.That(evaluation.Transcripts.Select(transcript => transcript.Hypothesis), Has.Some.Not.Empty);
        foreach (Transcript transcript in evaluation.Transcripts)
            Assert.That(recognizer.Transcribe(corpus.PathOf($"{transcript.Id}.npy"), extractor), Is.EqualTo(transcript.Hypothesis), transcript.Id);
    }

    /// <summary>The corpus has a text of two words: eight words of 19 letters in all, of which every one can be heard.</summary>
    [Test]
    public void Evaluate_AlphabetWithoutSpace_CountsLabels()
    {
        var letters = new Alphabet(Alphabet.English.Labels.SkipLast(1));
        using var unspaced = new DeepSpeech2(TrainingRuns.Tiny.Model.ArchitectureFor(letters), engine, seed: 1, trains: false);
        using var other = new Recognizer(unspaced, new GreedyDecoder(letters));
        using var loader = new BatchLoader(Corpus.Load(corpus.Manifest, letters), new FeatureExtractor(FeatureKind.MfccRaw), 3, BatchOrder.Sorted, seed: 0);
        EvaluationResult evaluation = new Evaluator(other, new GreedyDecoder(letters)).Run(loader);
        foreach (ErrorRates rates in (ErrorRates[])[evaluation.Rates, evaluation.OtherRates!, .. evaluation.Details.BySpeaker.Select(speaker => speaker.Rates)])
        {
            Assert.That(rates.ReferenceWords, Is.EqualTo(19));
            Assert.That(rates.WordErrors, Is.Positive.And.EqualTo(rates.CharacterErrors));
        }
    }

    [Test]
    public void Transcribe_TooShortForAFrame_IsNothing()
    {
        int frames = model.MinimumFrames - 1;
        Assert.That(recognizer.Transcribe(new float[13 * frames], [frames], frames), Is.EqualTo(new[] { "" }));
    }

    [Test]
    public void Transcribe_FileThatIsNone_IsNamed()
    {
        string path = corpus.PathOf("0.txt");
        Assert.That(() => recognizer.Transcribe(path, new FeatureExtractor(FeatureKind.MfccRaw)), Throws.TypeOf<InputException>().With.Message.Contains(path));
    }

    [Test]
    public void Transcribe_LeavesTheRunningStatistics()
    {
        float[][] before = [.. model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray())];
        recognizer.Transcribe(corpus.PathOf("3.npy"), new FeatureExtractor(FeatureKind.MfccRaw));
        Assert.That(model.Parameters.Statistics.Select(statistic => statistic.Values.ToArray()), Is.EqualTo(before));
    }
}
