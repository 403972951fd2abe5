using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Tests.Data;

namespace Ds2.Tests.Decoding.LanguageModels;

public sealed class KneserNeyTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    private static string Golden(string name) => Path.Combine(AppContext.BaseDirectory, "Goldens", $"language_model{name}");

    private string Build(string text, int order, int[] prune, string name = "model.arpa", IReadOnlyList<float>? fallback = null)
    {
        var options = new EstimationOptions(order, prune, fallback ?? EstimationOptions.UsualFallback);
        return Build(text, options, name, NoProgress.Instance);
    }

    private string Build(string text, EstimationOptions options, string name, IWorkProgress progress)
    {
        LanguageModelBuilder.Build(LanguageModelBuilder.Read([text], options, folder[name], 32, progress), options, folder[name], 32, progress);
        return folder[name];
    }

    /// <summary>Against Goldens/make_language_model_goldens.py: a text of commands with empty lines, words that look special, and orders whose discounts cannot be computed.</summary>
    [TestCase("_3", 3, new int[0])]
    [TestCase("_4_pruned", 4, new[] { 0, 1, 1, 2 })]
    public void Build_IsLmplzs(string name, int order, int[] prune)
    {
        Dictionary<string, (double Probability, double BackOff)> expected = Entries(Golden($"{name}.arpa")), actual = Entries(Build(Golden(".txt"), order, prune));
        Assert.That(actual.Keys, Is.EqualTo(expected.Keys), "n-grams, in lmplz's order");
        foreach ((string ngram, (double probability, double backOff)) in expected)
        {
            Assert.That(actual[ngram].Probability, Is.EqualTo(probability).Within(Tolerances.LmplzDigits), ngram);
            Assert.That(actual[ngram].BackOff, Is.EqualTo(backOff).Within(Tolerances.LmplzDigits), ngram);
        }
    }

    private static Dictionary<string, (double Probability, double BackOff)> Entries(string path) => File.ReadLines(path)
        .Where(line => line.Contains('\t')).Select(line => line.Split('\t'))
        .ToDictionary(fields => fields[1], fields => (Parse(fields[0]), fields.Length > 2 ? Parse(fields[2]) : 0));

    private static double Parse(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>KenLM's query on the same models; its figures are printed by Goldens/make_language_model_goldens.py.</summary>
    [TestCase("_3", 2.9486271124259615, 12.944316829992626, 9.241381854002125)]
    [TestCase("_4_pruned", 3.084706469832976, 13.215872518342577, 8.906929444155594)]
    public void Perplexity_IsKenLms(string name, double seen, double unseen, double withoutUnknown)
    {
        using LanguageModel model = LanguageModel.Open(Golden($"{name}.arpa"));
        Perplexity known = Perplexity.Of(model, [Golden(".txt")], NoProgress.Instance);
        Assert.That((known.Tokens, known.UnknownWords), Is.EqualTo((944L, 0L)));
        Assert.That(known.IncludingUnknown, Is.EqualTo(seen).Within(1e-5));
        Perplexity other = Perplexity.Of(model, [folder.Write("unseen.txt", "switch on the hapax radio\n\nopen sesame in the café\n")], NoProgress.Instance);
        Assert.That((other.Sentences, other.Words, other.UnknownWords), Is.EqualTo((3L, 10L, 1L)));
        Assert.That(other.IncludingUnknown, Is.EqualTo(unseen).Within(1e-4));
        Assert.That(other.ExcludingUnknown, Is.EqualTo(withoutUnknown).Within(1e-4));
    }

    /// <summary>Whatever precedes, all words, the unknown one and the end together have the probability 1.</summary>
    [TestCase(1, new int[0])]
    [TestCase(3, new int[0])]
    [TestCase(4, new[] { 0, 1, 2 })]
    [TestCase(3, new[] { 2 })]
    public void Build_GivesProbabilitiesThatSumToOne(int order, int[] prune)
    {
        using LanguageModel model = LanguageModel.Open(Build(Golden(".txt"), order, prune));
        int begin = model.WordId("<s>");
        var random = new Random(2);
        LanguageState state = model.Begin;
        for (int step = 0; step < 50; step++)
        {
            double sum = 0;
            for (int word = 0; word < model.Count(1); word++)
                sum += word == begin ? 0 : Math.Pow(10, model.Score(state, word, out _));
            Assert.That(sum, Is.EqualTo(1).Within(1e-4));
            model.Score(step % 5 == 4 ? model.Begin : state, random.Next((int)model.Count(1)), out state);
        }
    }

    /// <summary>The compiled form and the ARPA forms of one text are one model.</summary>
    [Test]
    public void Build_WritesWhatTheEndingSays()
    {
        double[] perplexities = [.. new[] { "a.arpa", "a.arpa.gz", "a.lm" }.Select(name =>
        {
            using LanguageModel model = LanguageModel.Open(Build(Golden(".txt"), 3, [], name));
            return Perplexity.Of(model, [Golden(".txt")], NoProgress.Instance).IncludingUnknown;
        })];
        Assert.That(perplexities, Is.All.EqualTo(perplexities[0]));
        Assert.That(File.ReadAllBytes(folder["a.arpa.gz"])[..2], Is.EqualTo(new byte[] { 0x1F, 0x8B }));
        Assert.That(File.ReadAllText(folder["a.lm"])[..8], Is.EqualTo("DS2NGRAM"));
    }

    /// <summary>lmplz drops the end of a last line that has no newline; here it is a line like others.</summary>
    [Test]
    public void Build_LastLineWithoutNewline_IsWhole() => Assert.That(
        File.ReadAllText(Build(folder.Write("a.txt", "a b\nb c"), 2, [], "a.arpa")), Is.EqualTo(File.ReadAllText(Build(folder.Write("b.txt", "a b\r\nb  c\n"), 2, [], "b.arpa"))));

    [Test]
    public void Build_SpecialWords_AreLeftOut() => Assert.That(
        File.ReadAllText(Build(folder.Write("a.txt", "<s> a <unk> b </s>\n"), 2, [], "a.arpa")), Is.EqualTo(File.ReadAllText(Build(folder.Write("b.txt", "a b\n"), 2, [], "b.arpa"))));

    /// <summary>Text of which discounts cannot be computed is what everybody begins with: lmplz stops there, and here the orders concerned have what its --discount_fallback gives them.</summary>
    [Test]
    public void Build_TooSmallText_FallsBack_AndSaysWhereAndWhatIsTaken()
    {
        var progress = new HeardProgress();
        string text = folder.Write("a.txt", "a b c\n");
        string built = Build(text, new EstimationOptions(3, [], [0.25f, 1, 1.5f]), "a.arpa", progress);
        Assert.That(progress.Notes, Is.EqualTo(new[]
        {
            "the text is too small or too regular to compute discounts: no 1-gram has the count 2; no 2-gram has the count 2; no 3-gram has the count 2: "
            + "0.25 1 1.5 are taken there (--discount-fallback D1 D2 D3 takes others)",
        }));
        double expected = Math.Log10((1 - 0.25) / 4 + 0.25 / 5);
        Assert.That(Entries(built)["a"].Probability, Is.EqualTo(expected).Within(Tolerances.LmplzDigits), "one of four words, one of which is the end; the fifth is the unknown one");
    }

    /// <summary>Words of Zipf's kind have n-grams of all counts: what lmplz computes for them without a fallback is not touched.</summary>
    [Test]
    public void Build_WhereDiscountsCanBeComputed_TheFallbackIsNotTaken()
    {
        var random = new Random(3);
        string text = folder.Write("a.txt", string.Concat(Enumerable.Range(0, 1000).Select(_ => $"{string.Join(' ', Enumerable.Range(0, 8).Select(_ => (int)(3000 * Math.Pow(random.NextDouble(), 6))))}\n")));
        var progress = new HeardProgress();
        string one = Build(text, new EstimationOptions(3, [], EstimationOptions.UsualFallback), "a.arpa", progress);
        string other = Build(text, new EstimationOptions(3, [], [1, 2, 3]), "b.arpa", progress);
        Assert.That(progress.Notes, Is.Empty);
        Assert.That(File.ReadAllText(one), Is.EqualTo(File.ReadAllText(other)));
    }

    [Test]
    public void Read_RefusesWhatCannotBeEstimated()
    {
        var options = new EstimationOptions(3, [], EstimationOptions.UsualFallback);
        string empty = folder.Write("a.txt", "\n\n"), wrong = folder.Write("b.txt", [.. "a\n"u8, 0xFF]);
        Assert.That(() => Build(empty, options, "a", NoProgress.Instance), Throws.TypeOf<InputException>().With.Message.EqualTo($"{empty}: has no words"));
        Assert.That(() => Build(folder["none"], options, "a", NoProgress.Instance), Throws.TypeOf<InputException>().With.Message.Contains("no such file"));
        Assert.That(() => Build(wrong, options, "a", NoProgress.Instance), Throws.TypeOf<InputException>().With.Message.EqualTo($"{wrong}: line 2: is not UTF-8 text"));
        Assert.That(Directory.GetFiles(folder.Path), Is.EquivalentTo(new[] { empty, wrong }));
    }

    [Test]
    public void Perplexity_OfWhatIsNoUtf8_IsRefused()
    {
        using LanguageModel model = LanguageModel.Open(Golden("_3.arpa"));
        string wrong = folder.Write("b.txt", [.. "a\n"u8, 0xFF]);
        Assert.That(() => Perplexity.Of(model, [wrong], NoProgress.Instance), Throws.TypeOf<InputException>().With.Message.EqualTo($"{wrong}: line 2: is not UTF-8 text"));
    }

    /// <summary>Every bar ends where it says that it will.</summary>
    [Test]
    public void Progress_OfEverything_EndsAtItsTotal()
    {
        var progress = new HeardProgress();
        var options = new EstimationOptions(3, [], EstimationOptions.UsualFallback);
        string arpa = Build(Golden(".txt"), options, "a.arpa", progress);
        Build(Golden(".txt"), options, "a.arpa.gz", progress);
        Build(Golden(".txt"), options, "a.lm", progress);
        LanguageModelBuilder.Compile(folder["a.arpa.gz"], folder["b.lm"], 8, progress);
        using LanguageModel model = LanguageModel.Open(arpa, progress);
        Perplexity.Of(model, [Golden(".txt")], progress);
        Assert.That(progress.Items.Select(item => item.What).Distinct(), Is.EquivalentTo(new[]
        {
            "reading language_model.txt", "counting and sorting n-grams", "estimating", "writing n-grams", "sorting n-grams", "packing n-grams", "writing", "reading a.arpa", "reading a.arpa.gz",
        }));
        Assert.That(progress.Ends.Where(end => end.Done != end.Total), Is.Empty);
        Assert.That(progress.Ends.Where(end => end.Total == 0), Is.Empty);
    }

    [TestCase(7, new int[0], new[] { 0.5f, 1, 1.5f }, "--order 7: must be 1 to 6")]
    [TestCase(2, new[] { 0, 1, 1 }, new[] { 0.5f, 1, 1.5f }, "--prune: 3 thresholds for 2 orders")]
    [TestCase(2, new[] { 1, 0 }, new[] { 0.5f, 1, 1.5f }, "--prune 1 0: thresholds are 0 or more and must not fall")]
    [TestCase(2, new int[0], new[] { 0.5f, 1 }, "--discount-fallback: three discounts are needed")]
    [TestCase(2, new int[0], new[] { 0.5f, 2.5f, 1 }, "--discount-fallback: the discount of a count of 2 must be 0 to 2, not 2.5")]
    public void Options_ThatMakeNoSense_AreRefused(int order, int[] prune, float[] fallback, string expected) =>
        Assert.That(() => new EstimationOptions(order, prune, fallback).Validate(), Throws.TypeOf<InputException>().With.Message.StartsWith(expected));
}
