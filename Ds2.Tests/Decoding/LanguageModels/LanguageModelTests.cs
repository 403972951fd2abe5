using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Tests.Data;

namespace Ds2.Tests.Decoding.LanguageModels;

public sealed class LanguageModelTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    private LanguageModel Open(SmallModel model) => LanguageModel.Open(folder.Write("model.arpa", model.Arpa()));

    [TestCase(1, true)]
    [TestCase(2, false)]
    [TestCase(3, true)]
    [TestCase(6, false)]
    public void Score_IsKatzsFormula(int order, bool unknown)
    {
        SmallModel expected = SmallModel.Random(order, words: 12, perOrder: 60, unknown, seed: order);
        using LanguageModel model = Open(expected);
        Assert.That(model.Order, Is.EqualTo(order));
        Assert.That(model.HasUnknown, Is.EqualTo(unknown));
        Assert.That(model.Count(order), Is.EqualTo(expected.OfOrder(order).Count() + (order == 1 && !unknown ? 1 : 0)));
        Assert.That(expected.Words.Select(word => model.Word(model.WordId(word))), Is.EqualTo(expected.Words));
        AssertScoresAlike(expected, model);
    }

    /// <summary>Pruned models of SRILM and others lack n-grams that longer ones begin or end with; the formula does not mind.</summary>
    [Test]
    public void Score_WhereShorterNGramsAreMissing_IsKatzsFormula()
    {
        SmallModel expected = SmallModel.Random(4, words: 8, perOrder: 60, unknown: true, seed: 9);
        var random = new Random(1);
        foreach (string ngram in expected.OfOrder(2).Concat(expected.OfOrder(3)).Where(_ => random.Next(3) == 0).ToArray())
            expected.Remove(ngram);
        using LanguageModel model = Open(expected);
        AssertScoresAlike(expected, model);
        Assert.That(model.Count(3), Is.GreaterThan(expected.OfOrder(3).Count()), "nothing was missing");
    }

    [Test]
    public void Score_OfAnUnknownWord_IsTheModelsOwnOrTheFloor()
    {
        foreach (bool unknown in new[] { true, false })
        {
            SmallModel expected = SmallModel.Random(2, words: 4, perOrder: 6, unknown, seed: 3);
            using LanguageModel model = Open(expected);
            Assert.That(model.WordId("unheard"), Is.Zero);
            Assert.That(model.Score(default, 0, out LanguageState next), unknown ? Is.GreaterThan(-5) : Is.EqualTo(LanguageModel.UnknownFloor));
            Assert.That(next == default, Is.EqualTo(!unknown), "what follows an unknown word that the model knows nothing of does not depend on what was before");
        }
    }

    /// <summary>Texts that every continuation follows alike end in equal states: that is what lets a search join them.</summary>
    [Test]
    public void State_IsTheShortestContextThatPredictsAlike()
    {
        using LanguageModel model = LanguageModel.Open(folder.Write(
            "a.arpa",
            "\\data\\\nngram 1=6\nngram 2=4\nngram 3=2\n\n\\1-grams:\n-1 <unk>\n-99 <s> -0.5\n-1 </s>\n-1 a -0.25\n-1 b -0.125\n-1 c\n\n"
            + "\\2-grams:\n-0.5 <s> a -0.3\n-0.5 a b 0\n-0.5 b a\n-0.5 a c -0.2\n\n\\3-grams:\n-0.1 <s> a b\n-0.1 a b a\n\n\\end\\\n"));
        Assert.That(After(model, "b", "a", "b"), Is.EqualTo(After(model, "c", "a", "b")), "\"a b\" decides");
        Assert.That(After(model, "b", "a"), Is.EqualTo(After(model, "c", "a")), "nothing goes on from \"b a\", and it costs nothing");
        Assert.That(After(model, "b", "a"), Is.Not.EqualTo(model.Begin).And.Not.EqualTo(After(model, "b")));
        Assert.That(After(model, "c"), Is.EqualTo(default(LanguageState)), "nothing goes on from \"c\"");
        Assert.That(After(model, "a", "c"), Is.Not.EqualTo(default(LanguageState)), "its back-off counts, though nothing goes on from it");
        LanguageState start = model.Begin;
        model.Score(start, model.WordId("a"), out LanguageState first);
        Assert.That(first, Is.Not.EqualTo(After(model, "a")), "\"<s> a\" goes on");
        Assert.That(After(model, "b", "a").GetHashCode(), Is.EqualTo(After(model, "c", "a").GetHashCode()));
    }

    [Test]
    public void Compiled_With32Bits_ScoresTheSameBits()
    {
        SmallModel small = SmallModel.Random(4, words: 30, perOrder: 200, unknown: true, seed: 4);
        using LanguageModel arpa = Open(small);
        LanguageModelBuilder.Compile(folder["model.arpa"], folder["model"], 32, Runtime.NoProgress.Instance);
        using LanguageModel compiled = LanguageModel.Open(folder["model"]);
        Assert.That((compiled.Order, compiled.HasUnknown, compiled.Bytes), Is.EqualTo((4, true, new FileInfo(folder["model"]).Length)));
        foreach ((float expected, float actual) in Scores(small, arpa).Zip(Scores(small, compiled)))
            Assert.That(actual, Is.EqualTo(expected));
    }

    [Test]
    public void Compiled_With8Bits_ScoresNearlyTheSame()
    {
        SmallModel small = SmallModel.Random(3, words: 60, perOrder: 3000, unknown: true, seed: 4);
        using LanguageModel arpa = Open(small);
        LanguageModelBuilder.Compile(folder["model.arpa"], folder["model"], 8, Runtime.NoProgress.Instance);
        using LanguageModel compiled = LanguageModel.Open(folder["model"]);
        float largest = Scores(small, arpa).Zip(Scores(small, compiled)).Max(pair => Math.Abs(pair.First - pair.Second));

        // 256 values over four decades, evenly taken, are 4/256 apart, half of which is the error; a probability and up to two back-offs of a decade each add up.
        Assert.That(largest, Is.GreaterThan(0).And.LessThan(0.5 * (4.0 / 256 + 2 * 1.0 / 254) * 1.5));
    }

    [Test]
    public void Score_MakesNoGarbage()
    {
        SmallModel small = SmallModel.Random(3, words: 12, perOrder: 60, unknown: true, seed: 3);
        using LanguageModel model = Open(small);
        Ask();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Ask();
        long after = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(after - before, Is.Zero);

        void Ask()
        {
            LanguageState state = model.Begin;
            for (int i = 0; i < 100; i++)
                model.Score(state, model.WordId(i % 2 == 0 ? "wörd1" : "unheard"), out state);
            model.End(state);
        }
    }

    [Test]
    public void Score_AfterDispose_OrOfNoWord_IsRefused()
    {
        LanguageModel model = Open(SmallModel.Random(2, words: 4, perOrder: 6, unknown: true, seed: 3));
        Assert.That(() => model.Score(default, 7, out _), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => model.Score(default, -1, out _), Throws.TypeOf<ArgumentOutOfRangeException>());
        model.Dispose();
        Assert.That(() => model.Score(default, 1, out _), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => model.WordId("a"), Throws.TypeOf<ObjectDisposedException>());
        model.Dispose();
    }

    private static LanguageState After(LanguageModel model, params string[] words)
    {
        LanguageState state = default;
        foreach (string word in words)
            model.Score(state, model.WordId(word), out state);
        return state;
    }

    private static List<float> Scores(SmallModel small, LanguageModel model)
    {
        string[] words = [.. small.Words.Where(word => word[0] != '<')];
        var random = new Random(5);
        var scores = new List<float>();
        LanguageState state = model.Begin;
        for (int i = 0; i < 2000; i++)
        {
            scores.Add(model.Score(state, model.WordId(words[random.Next(words.Length)]), out state));
            scores.Add(model.End(state));
        }
        return scores;
    }

    private static void AssertScoresAlike(SmallModel expected, LanguageModel model)
    {
        string[] words = [.. expected.Words.Where(word => word[0] != '<'), "unheard"];
        var random = new Random(5);
        for (int sentence = 0; sentence < 200; sentence++)
        {
            List<string> text = ["<s>"];
            LanguageState state = model.Begin;
            for (int i = random.Next(10); i > 0; i--)
            {
                text.Add(words[random.Next(words.Length)]);
                float score = model.Score(state, model.WordId(text[^1]), out state);
                Assert.That(score, Is.EqualTo(expected.Score([.. text])).Within(Tolerances.SumOfLogs), string.Join(' ', text));
            }
            Assert.That(model.End(state), Is.EqualTo(expected.Score([.. text, "</s>"])).Within(Tolerances.SumOfLogs), string.Join(' ', text));
        }
    }
}
