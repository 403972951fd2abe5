using Ds2.Runtime;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;

namespace Ds2.Tests.Decoding;

public sealed class HotWordsTests
{
    private static readonly Alphabet Letters = new(["_", "A", "B", " "]);
    private static readonly Alphabet NoSpace = new(["_", "A", "B", "C"]);

    private static readonly HotWord[] Phrases = [new("A", 0.7), new("AB", 1.5), new("BA B", 2.5), new("B", -0.4), new("A A", 1)];

    /// <summary>The sum of the phrases' boosts, each as often as it stands in the text.</summary>
    internal static double Boosts(string text, IEnumerable<HotWord> phrases, bool spaces)
    {
        string padded = spaces ? $" {string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries))} " : text;
        return phrases.Sum(phrase =>
        {
            string sought = spaces ? $" {phrase.Text} " : phrase.Text;
            return phrase.Boost * Enumerable.Range(0, padded.Length).Count(at => padded.AsSpan(at).StartsWith(sought));
        });
    }

    [Test]
    public void Best_OfABeamAsWideAsTheTree_HasTheBoostsOfEachTextsPhrases()
    {
        foreach (Alphabet alphabet in new[] { Letters, NoSpace })
        {
            HotWord[] phrases = [.. Phrases.Where(phrase => alphabet == Letters || !phrase.Text.Contains(' '))];
            float[] logits = BruteForce.Logits(new Random(5), 7, alphabet.Size, 2);
            Dictionary<string, double> expected = BruteForce.Probabilities(logits, 7, alphabet);
            IReadOnlyList<Hypothesis> found = new BeamDecoder(alphabet, BeamSearchTests.Everything, hotWords: new HotWords(alphabet, phrases)).Best(logits, 7, int.MaxValue);
            Assert.That(found, Has.Count.EqualTo(expected.Count));
            foreach (Hypothesis hypothesis in found)
            {
                double boosts = Boosts(hypothesis.Text, phrases, alphabet == Letters);
                Assert.That(hypothesis.HotWords, Is.EqualTo(boosts).Within(1e-9), $"'{hypothesis.Text}'");
                Assert.That(hypothesis.LogProbability, Is.EqualTo(Math.Log(expected[hypothesis.Text])).Within(Tolerances.LogProbability(7)));
                Assert.That(hypothesis.Score, Is.EqualTo(hypothesis.LogProbability + boosts).Within(1e-6));
            }
        }
    }

    /// <summary>Credit for what is matched carries a name through a narrow beam that drops it otherwise.</summary>
    [Test]
    public void Best_OfANarrowBeam_KeepsAHotWordThatIsUnlikelyAtFirst()
    {
        // AAAA is heard, letter by letter 3 : 1, where BBBB is hot.
        float[] logits = [.. Enumerable.Range(0, 8).SelectMany(t => t % 2 == 1 ? new[] { 9f, 0, 0, 0 } : [0, 9.1f, 8, 0])];
        var options = new BeamOptions { Width = 4 };
        Assert.That(new BeamDecoder(Letters, options).Best(logits, 8, 1)[0].Text, Is.EqualTo("AAAA"));
        Assert.That(new BeamDecoder(Letters, options, hotWords: new HotWords(Letters, [new HotWord("BBBB", 6)])).Best(logits, 8, 1)[0].Text, Is.EqualTo("BBBB"));
    }

    /// <summary>Words that begin, end or hold a hot word stay whole: matches that fail have nothing. Between all their letters a space is heard with odds of 1 : 1000.</summary>
    [Test]
    public void Best_OfNeighboursOfAHotWord_StayWhole()
    {
        const string said = "ANN ANNA BANANN JOHANNA TAN AN N";
        float[] logits = Spelled(said, Alphabet.English);
        foreach (double boost in new[] { HotWords.DefaultBoost, 6 })
        {
            var hot = new HotWords(Alphabet.English, [new HotWord("ANN", boost), new HotWord("ANNE", boost), new HotWord("HANNA MONTANA", boost)]);
            Hypothesis best = new BeamDecoder(Alphabet.English, hotWords: hot).Best(logits, logits.Length / Alphabet.English.Size, 1)[0];
            Assert.That(best.Text, Is.EqualTo(said));
            Assert.That(best.HotWords, Is.EqualTo(boost).Within(1e-9));
        }
    }

    [Test]
    public void Load_TakesWordsPhrasesAndBoosts()
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "hot.txt");
        File.WriteAllText(path, "Anna\r\n\nnew  york\t7.5\r\nAnna\t2\n");
        HotWords words = HotWords.Load(path, Alphabet.English);
        Assert.That(words.Count, Is.EqualTo(2));
        float[] logits = Spelled("ANNA IN NEW YORK", Alphabet.English);
        Assert.That(new BeamDecoder(Alphabet.English, hotWords: words).Best(logits, logits.Length / 29, 1)[0].HotWords, Is.EqualTo(HotWords.DefaultBoost + 7.5).Within(1e-9));
    }

    [TestCase("ANNA\tmuch", "line 1 is 'ANNA much'")]
    [TestCase("\nANNA\t1\t2", "line 2 is")]
    [TestCase("ANNA\t1e9", "line 1: a boost of 1000000000")]
    [TestCase("ANNA\tNaN", "line 1: a boost of NaN")]
    [TestCase("MOŁDAWIA 7", "'MOŁDAWIA 7' has characters")]
    [TestCase("\t3", "line 1: a hot word is empty")]
    public void Load_OfABadLine_NamesIt(string text, string expected)
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "hot.txt");
        File.WriteAllText(path, text);
        Assert.That(() => HotWords.Load(path, Alphabet.English), Throws.TypeOf<InputException>().With.Message.Contains(path).And.Message.Contains(expected));
    }

    [Test]
    public void Load_OfNoFile_SaysSo() => Assert.That(() => HotWords.Load("no-such-file", Alphabet.English), Throws.TypeOf<InputException>());

    [Test]
    public void BeamSearch_OfAnotherAlphabetsHotWords_IsRefused() =>
        Assert.That(() => new BeamSearch(Letters, hotWords: new HotWords(NoSpace, [new HotWord("A", 1)])), Throws.ArgumentException);

    /// <summary>Logits that spell a text, each label for a frame and a blank after it, anything else far less likely.</summary>
    private static float[] Spelled(string text, Alphabet alphabet)
    {
        int[] labels = alphabet.Encode(text);
        var logits = new float[2 * labels.Length * alphabet.Size];
        for (int i = 0; i < labels.Length; i++)
        {
            logits[2 * i * alphabet.Size + labels[i]] = 8;
            logits[(2 * i + 1) * alphabet.Size] = 5;
            if (alphabet[labels[i]] != " ")
                logits[(2 * i + 1) * alphabet.Size + alphabet.Encode("A ")[1]] = 5 - MathF.Log(1000);
        }

        return logits;
    }
}
