using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;
using Ds2.Tests.Decoding.LanguageModels;

namespace Ds2.Tests.Decoding;

/// <summary>The search with a language model against the sum over all texts.</summary>
public sealed class FusionTests
{
    internal static readonly Alphabet Letters = new(["_", "A", "B", " "]);
    private static readonly Alphabet NoSpace = new(["_", "A", "B", "C"]);
    private static readonly double Ln10 = Math.Log(10);

    internal static SmallModel Bigrams(bool unknown)
    {
        var model = new SmallModel();
        (string, double, double)[] ngrams =
        [
            ("<s>", -99, -0.3), ("</s>", -0.9, 0), ("A", -1.1, -0.4), ("B", -1.7, -0.1), ("AB", -0.7, -0.2), ("BA", -2.2, 0),
            ("<s> A", -0.4, 0), ("A B", -0.2, 0), ("AB </s>", -0.3, 0), ("B AB", -0.6, 0), ("A </s>", -1.5, 0),
        ];
        foreach ((string ngram, double probability, double backOff) in ngrams)
            model.Add(ngram, probability, backOff);
        if (unknown)
            model.Add("<unk>", -2.5, -0.05);
        return model;
    }

    internal static T With<T>(SmallModel model, Func<LanguageModel, T> use)
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "model.arpa");
        File.WriteAllText(path, model.Arpa());
        using LanguageModel opened = LanguageModel.Open(path);
        return use(opened);
    }

    /// <summary>Utterances of all lengths, of which each has its own doubt; twice, as the searches are used again.</summary>
    [Test]
    public void Best_OnSeveralThreads_IsThatOnOne([Values(2, 5, 64)] int threads) => With(Bigrams(unknown: true), model =>
    {
        const int n = 40, t = 50;
        HotWord[] hot = [new("A BA", 1.5)];
        var random = new Random(threads);
        float[] logits = BruteForce.Logits(random, t * n, Letters.Size, 8);
        int[] frames = [.. Enumerable.Range(0, n).Select(i => i % 7 == 0 ? 0 : random.Next(t + 1))];
        var several = new BeamDecoder(Letters, null, model, new HotWords(Letters, hot), threads);
        IReadOnlyList<Hypothesis>[] expected = new BeamDecoder(Letters, null, model, new HotWords(Letters, hot)).Best(logits, t, n, frames, 10);
        for (int round = 0; round < 2; round++)
            Assert.That(several.Best(logits, t, n, frames, 10), Is.EqualTo(expected));
        Assert.That(several.Decode(logits, t, n, frames), Is.EqualTo(expected.Select(texts => texts[0].Text)));
        return true;
    });

    [TestCase(0.8, 1.3, 0.0, true, 1)]
    [TestCase(0.4, -0.7, -3.0, true, 1)]
    [TestCase(0.4, -0.7, -3.0, true, 1.8)]
    [TestCase(0.4, 0.7, -3.0, true, 0.7)]
    [TestCase(0.05, 0.0, -1.0, false, 1)]
    public void Best_OfABeamAsWideAsTheTree_IsBruteForces(double alpha, double beta, double penalty, bool unknown, double temperature)
    {
        SmallModel grammar = Bigrams(unknown);
        foreach (Alphabet alphabet in new[] { Letters, NoSpace })
        {
            bool spaces = alphabet == Letters;
            HotWord[] hot = spaces ? [new("BB", 2), new("A BA", 1.5)] : [new("CA", 2)];
            float[] logits = BruteForce.Logits(new Random(8), 7, alphabet.Size, 2);
            Dictionary<string, double> acoustic = BruteForce.Probabilities(logits, 7, alphabet, temperature), boosted = HotWordsTests.Boosted(logits, 7, alphabet, hot, temperature);
            BeamOptions options = BeamSearchTests.Everything with { Alpha = alpha, Beta = beta, UnknownPenalty = penalty, Temperature = temperature };
            IReadOnlyList<Hypothesis> found = With(grammar, model => new BeamDecoder(alphabet, options, model, new HotWords(alphabet, hot)).Best(logits, 7, int.MaxValue));
            Assert.That(found.Select(hypothesis => hypothesis.Text), Is.EquivalentTo(acoustic.Keys.Where(text => !text.StartsWith(' ') && !text.Contains("  "))), "a word of no letters has no probability");
            Assert.That(found.Select(hypothesis => hypothesis.Score), Is.Ordered.Descending);
            string[] spared = [.. hot.SelectMany(phrase => spaces ? phrase.Text.Split(' ') : [.. phrase.Text.Select(character => character.ToString())])];
            foreach (Hypothesis hypothesis in found)
            {
                string[] words = spaces ? hypothesis.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries) : [.. hypothesis.Text.Select(character => character.ToString())];
                double language = 0;
                for (int i = 0; i <= words.Length; i++)
                    language += Ln10 * grammar.Score([.. words[..i].Prepend("<s>"), i < words.Length ? words[i] : "</s>"]);
                int strangers = words.Count(word => !grammar.Words.Contains(word) && !spared.Contains(word));
                double boosts = boosted[hypothesis.Text] - Math.Log(acoustic[hypothesis.Text]);
                Assert.That(hypothesis.LogProbability, Is.EqualTo(Math.Log(acoustic[hypothesis.Text])).Within(Tolerances.LogProbability(7)), hypothesis.Text);
                Assert.That(hypothesis.LanguageModel, Is.EqualTo(language).Within(1e-4), hypothesis.Text);
                Assert.That((hypothesis.Words, hypothesis.UnknownWords), Is.EqualTo((words.Length, strangers)), hypothesis.Text);
                Assert.That(hypothesis.HotWords, Is.EqualTo(boosts).Within(Tolerances.LogProbability(7)), hypothesis.Text);
                int spelled = words.Where(word => !grammar.Words.Contains(word) && !spared.Contains(word)).Sum(word => Math.Max(0, word.Length - TextScorer.FreeLetters));
                double sum = hypothesis.LogProbability + alpha * hypothesis.LanguageModel + beta * hypothesis.Words + penalty * hypothesis.UnknownWords + hypothesis.HotWords
                    - alpha * Math.Log(alphabet.Size) * spelled;
                Assert.That(hypothesis.Score, Is.EqualTo(sum).Within(1e-6), hypothesis.Text);
            }
        }
    }

    [Test]
    public void Best_PrefersWhatTheModelHasHeard()
    {
        // B and A are alike to the ear after A; the model has heard A B.
        float[] logits = [0, 9, 0, 0, 9, 0, 0, 0, 0, 0, 0, 9, 0, 4.1f, 4, 0, 9, 0, 0, 0];
        string heard = new BeamDecoder(Letters).Best(logits, 5, 1)[0].Text;
        string helped = With(Bigrams(true), model => new BeamDecoder(Letters, new BeamOptions(), model).Best(logits, 5, 1)[0].Text);
        Assert.That((heard, helped), Is.EqualTo(("A A", "A B")));
    }

    /// <summary>Known words are not written as one that is not known: such a word costs what it will as soon as it can be no other, and by its length.</summary>
    [TestCase(0.5)]
    [TestCase(1.5)]
    public void Best_OfManyKnownWords_KeepsTheirSpaces(double alpha)
    {
        const string text = "THE CAT SAT ON THE MAT AND SAW A DOG";
        var model = new SmallModel();
        foreach (string word in text.Split(' ').Concat(["</s>"]).Distinct())
            model.Add(word, -2, 0);
        model.Add("<s>", -99, 0);
        model.Add("<unk>", -2.5, 0);
        Alphabet english = Alphabet.English;
        var logits = new List<float>();
        foreach (int label in english.Encode(text))
        {
            float[] frame = new float[english.Size], pause = new float[english.Size];
            (frame[label], pause[english.Blank]) = (8, 8);
            // A space that is heard, and not for certain.
            if (label == english.Space)
                frame[english.Blank] = 7.6f;
            logits.AddRange([.. frame, .. pause]);
        }

        string best = With(model, opened => new BeamDecoder(english, new BeamOptions { Alpha = alpha, Temperature = 1 }, opened).Best([.. logits], logits.Count / english.Size, 1)[0].Text);
        Assert.That(best, Is.EqualTo(text));
    }

    /// <summary>A letter is heard between two spaces, and not which: less likely each than none, and yet it is not lost.</summary>
    [Test]
    public void Best_WithAModel_HasNoEmptyWords()
    {
        float[] logits = [0, 9, 0, 0, 0, 0, 0, 9, 1.5f, 1, 1, -9, 0, 0, 0, 9, 0, 0, 9, 0];
        string heard = new BeamDecoder(Letters).Best(logits, 5, 1)[0].Text;
        string helped = With(Bigrams(true), model => new BeamDecoder(Letters, new BeamOptions(), model).Best(logits, 5, 1)[0].Text);
        Assert.That((heard, helped), Is.EqualTo(("A  B", "A A B")));
    }

    /// <summary>A space that nothing else can be, where no text can have one: the texts before it stay.</summary>
    [Test]
    public void Advance_OfNothingButASpaceWhereNoneCanBe_PassesTheFrameOver()
    {
        const float low = float.NegativeInfinity;
        float[] logits = [low, low, low, 0, 0, 9, 0, 0, low, low, low, 0, 9, low, low, low, low, low, low, 0];
        foreach (int width in new[] { 1, 100 })
        {
            Hypothesis best = With(Bigrams(true), model => new BeamDecoder(Letters, new BeamOptions { Width = width }, model).Best(logits, 5, 1)[0]);
            Assert.That((best.Text, double.IsFinite(best.Score)), Is.EqualTo(("A ", true)));
        }
    }

    [Test]
    public void Advance_InASteadyState_AllocatesNothing()
    {
        float[] logits = Speech.Logits(new Random(2), 400, Alphabet.English);
        long allocated = With(Bigrams(true), model =>
        {
            var search = new BeamSearch(Alphabet.English, model: model);
            search.Advance(logits, 400);
            search.Reset();
            long before = GC.GetAllocatedBytesForCurrentThread();
            search.Advance(logits, 400);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });
        Assert.That(allocated, Is.Zero);
    }
}
