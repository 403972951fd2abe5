using Ds2.Runtime.Decoding.LanguageModels;

namespace Ds2.Tests.Decoding.LanguageModels;

public sealed class LanguageModelTests
{
    private string folder = "";

    [SetUp]
    public void MakeFolder() => folder = Directory.CreateTempSubdirectory("ds2-lm-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    private string Write(string text, string name = "model.arpa")
    {
        string path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    [TestCase(1, true)]
    [TestCase(2, false)]
    [TestCase(3, true)]
    [TestCase(6, false)]
    public void Score_IsKatzsFormula(int order, bool unknown)
    {
        SmallModel expected = SmallModel.Random(order, words: 12, perOrder: 60, unknown, seed: order);
        using LanguageModel model = LanguageModel.Open(Write(expected.Arpa()));
        Assert.That(model.Order, Is.EqualTo(order));
        Assert.That(model.HasUnknown, Is.EqualTo(unknown));
        Assert.That(model.Count(order), Is.EqualTo(expected.OfOrder(order).Count() + (order == 1 && !unknown ? 1 : 0)));
        AssertScoresAlike(expected, model, 1e-5);
    }

    private static void AssertScoresAlike(SmallModel expected, LanguageModel model, double tolerance)
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
                Assert.That(score, Is.EqualTo(expected.Score([.. text])).Within(tolerance), string.Join(' ', text));
            }
            Assert.That(model.End(state), Is.EqualTo(expected.Score([.. text, "</s>"])).Within(tolerance), string.Join(' ', text));
        }
    }
}
