using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Runtime.Text;
using Ds2.Tests.Decoding;

namespace Ds2.Tests.Recognition.Streaming;

/// <summary>Beam search on a live stream: its final texts are those of the recording.</summary>
public sealed class BeamPassageTests
{
    private const int Frames = 150;

    private static readonly Alphabet English = Alphabet.English;
    private static readonly BeamOptions Options = new() { Width = 30, Temperature = 1.2 };
    private static readonly HotWords Hot = new(English, [new HotWord("QA", 5), new HotWord("THE X", 3)]);

    /// <summary>Text, score and all of its parts, bit for bit, passage after passage.</summary>
    [Test]
    public void Finish_IsTheBeamDecodersBest_WithModelAndHotWords() => FusionTests.With(FusionTests.Bigrams(unknown: true), model =>
    {
        foreach ((LanguageModel? asked, HotWords? hot) in new (LanguageModel?, HotWords?)[] { (null, null), (model, null), (model, Hot) })
        {
            var passage = new BeamPassage(English, Options, asked, hot);
            var decoder = new BeamDecoder(English, Options, asked, hot);
            for (int seed = 0; seed < 3; seed++)
            {
                float[] logits = Speech.Logits(new Random(seed), Frames, English);
                for (int t = 0; t < Frames; t++)
                    passage.Advance(logits.AsSpan(t * English.Size, English.Size));
                var words = new List<WordFrames>();
                string text = passage.Finish(words);
                Hypothesis best = decoder.Best(logits, Frames, 1)[0];
                Assert.That(passage.Last, Is.EqualTo(best));
                Assert.That(text, Is.EqualTo(best.Text));
                Assert.That(words, Is.EqualTo(WordAligner.Frames(English, new Logits(logits, Frames, English.Size), best.Text)));
                Assert.That(string.Join(' ', words.Select(word => word.Text)), Is.EqualTo(string.Join(' ', best.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
            }
        }

        return true;
    });

    /// <summary>How much the model doubts a passage is known when it is over, so it is the next one's temperature.</summary>
    [Test]
    public void Finish_GoesByTheDoubtOfThePassagesBefore() => FusionTests.With(FusionTests.Bigrams(unknown: true), model =>
    {
        BeamOptions byDoubt = Options with { Temperature = null };
        var passage = new BeamPassage(English, byDoubt, model);
        var doubt = default(Doubt);
        for (int seed = 0; seed < 4; seed++)
        {
            float[] logits = [.. Speech.Logits(new Random(seed), Frames, English).Select(logit => 0.4f * logit)];
            Hypothesis expected = new BeamDecoder(English, byDoubt with { Temperature = doubt.Temperature }, model).Best(logits, Frames, 1)[0];
            for (int t = 0; t < Frames; t++)
            {
                passage.Advance(logits.AsSpan(t * English.Size, English.Size));
                doubt.Add(logits.AsSpan(t * English.Size, English.Size));
            }

            passage.Finish([]);
            Assert.That(passage.Last, Is.EqualTo(expected));
        }

        Assert.That(doubt.Temperature, Is.GreaterThan(1));
        return true;
    });

    [Test]
    public void Stable_StaysWhateverFollows() => FusionTests.With(FusionTests.Bigrams(unknown: true), model =>
    {
        var passage = new BeamPassage(English, Options, model, Hot);
        float[] logits = [.. BruteForce.Logits(new Random(4), 60, English.Size, 4), .. Spelled.Logits(" THE END", English), .. Speech.Logits(new Random(5), Frames, English)];
        string stable = "";
        bool hasChanged = false;
        for (int at = 0; at < logits.Length; at += English.Size)
        {
            string before = passage.Text;
            passage.Advance(logits.AsSpan(at, English.Size));
            Assert.That(passage.Text, Does.StartWith(stable));
            Assert.That(passage.Stable, Is.InRange(stable.Length, passage.Text.Length));
            stable = passage.Text[..passage.Stable];
            hasChanged |= !passage.Text.StartsWith(before, StringComparison.Ordinal);
        }

        Assert.That(stable, Is.Not.Empty);
        Assert.That(hasChanged, "a best text that only grew would need no such number");
        Assert.That(passage.Finish([]), Does.StartWith(stable));
        Assert.That((passage.Text, passage.Stable), Is.EqualTo(("", 0)));
        return true;
    });

    [Test]
    public void Streams_ShareOneLanguageModel() => FusionTests.With(FusionTests.Bigrams(unknown: true), model =>
    {
        float[][] sounds = [.. Enumerable.Range(0, 6).Select(seed => Speech.Logits(new Random(seed), Frames, English))];
        var texts = new string[sounds.Length];
        Parallel.For(0, sounds.Length, i =>
        {
            var passage = new BeamPassage(English, Options, model, Hot);
            for (int t = 0; t < Frames; t++)
                passage.Advance(sounds[i].AsSpan(t * English.Size, English.Size));
            texts[i] = passage.Finish([]);
        });
        var decoder = new BeamDecoder(English, Options, model, Hot);
        Assert.That(texts, Is.EqualTo(sounds.Select(logits => decoder.Best(logits, Frames, 1)[0].Text)));
        return true;
    });
}
