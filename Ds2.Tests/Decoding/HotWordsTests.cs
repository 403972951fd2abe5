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

    /// <summary>ln of a text's probability with the boosts of its alignments, for each text, by going through all alignments.</summary>
    internal static Dictionary<string, double> Boosted(float[] logits, int frames, Alphabet alphabet, IReadOnlyList<HotWord> phrases, double temperature = 1)
    {
        var sums = new Dictionary<string, double>();
        BruteForce.Walk(logits, frames, alphabet, (path, probability) =>
        {
            string text = alphabet.Decode([.. path.Select(step => step.Label)]);
            double boosts = alphabet.LabelOf(" ") > 0
                ? Boosts([.. path.Select(step => (alphabet[step.Label][0], step.Probability >= HotWords.LeastSpace))], phrases)
                : phrases.Sum(phrase => phrase.Boost * Enumerable.Range(0, text.Length).Count(at => text.AsSpan(at).StartsWith(phrase.Text)));
            sums[text] = sums.GetValueOrDefault(text) + probability * Math.Exp(boosts);
        }, temperature);
        return sums.ToDictionary(pair => pair.Key, pair => Math.Log(pair.Value));
    }

    /// <summary>The boosts of an alignment: those of the phrases that end at a border while there is a claim to them.</summary>
    private static double Boosts((char Label, bool IsHeard)[] path, IReadOnlyList<HotWord> phrases)
    {
        var words = new List<string>();
        bool claim = true;
        double boosts = 0;
        for (int i = 0; i < path.Length;)
        {
            int end = i;
            while (end < path.Length && path[end].Label != ' ')
                end++;
            int next = end;
            while (next < path.Length && path[next].Label == ' ')
                next++;
            if (end > i)
            {
                words.Add(string.Concat(path[i..end].Select(step => step.Label)));
                bool isHeard = end == path.Length || path[end].IsHeard;
                string[][] split = [.. phrases.Select(phrase => phrase.Text.Split(' '))];
                if (claim && isHeard)
                    boosts += phrases.Zip(split).Sum(phrase => Ends(phrase.Second) ? phrase.First.Boost : 0);
                bool goesOn = split.Any(phrase => Enumerable.Range(1, phrase.Length - 1).Any(count => Ends(phrase[..count])));
                claim = isHeard && (claim || !goesOn);
            }

            i = next;
        }

        return boosts;

        bool Ends(string[] phrase) => words.Count >= phrase.Length && words.TakeLast(phrase.Length).SequenceEqual(phrase);
    }

    /// <summary>Spaces that are heard, and such as are not: in some frames a space is made likely, in others unlikely.</summary>
    [Test]
    public void Best_OfABeamAsWideAsTheTree_HasTheBoostsOfEachTextsPhrases()
    {
        foreach (Alphabet alphabet in new[] { Letters, NoSpace })
        {
            HotWord[] phrases = [.. Phrases.Where(phrase => alphabet == Letters || !phrase.Text.Contains(' '))];
            for (int seed = 5; seed < 8; seed++)
            {
                float[] logits = BruteForce.Logits(new Random(seed), 7, alphabet.Size, 2);
                for (int t = 0; t < 7; t++)
                    logits[t * alphabet.Size + 3] += t % 2 == seed % 2 ? 1.5f : -1;
                Dictionary<string, double> expected = BruteForce.Probabilities(logits, 7, alphabet), boosted = Boosted(logits, 7, alphabet, phrases);
                IReadOnlyList<Hypothesis> found = new BeamDecoder(alphabet, BeamSearchTests.Everything, hotWords: new HotWords(alphabet, phrases)).Best(logits, 7, int.MaxValue);
                Assert.That(found, Has.Count.EqualTo(expected.Count));
                foreach (Hypothesis hypothesis in found)
                {
                    Assert.That(hypothesis.LogProbability, Is.EqualTo(Math.Log(expected[hypothesis.Text])).Within(Tolerances.LogProbability(7)), $"'{hypothesis.Text}'");
                    Assert.That(hypothesis.Score, Is.EqualTo(boosted[hypothesis.Text]).Within(Tolerances.LogProbability(7)), $"'{hypothesis.Text}'");
                    Assert.That(hypothesis.HotWords, Is.EqualTo(hypothesis.Score - hypothesis.LogProbability).Within(1e-9), $"'{hypothesis.Text}'");
                }
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
            Assert.That(best.HotWords, Is.EqualTo(boost).Within(0.01), "all of it, but for alignments with a space that is not heard");
        }
    }

    /// <summary>Whatever the boost: parts of words at their beginning, middle and end, one alone and all at once. Letters are clear; a space is less likely than none in each frame between two letters.</summary>
    [TestCase(99f)]
    [TestCase(1.5f)]
    public void Best_OfWordsThatHotWordsArePartsOf_NeverBreaksThem(float odds)
    {
        const string said = "STATION CAN STAND";
        float[] logits = Spelled(said, Alphabet.English, lead: 60, odds);
        string[] parts = ["STAT", "TAT", "ION", "AN", "TAN", "D", "O", "STAT ION", "C AN"];
        foreach (string[] list in parts.Select(part => new[] { part }).Append(parts))
        {
            foreach (double boost in list.Length == 1 ? new double[] { 20 } : [4, 20])
            {
                var hot = new HotWords(Alphabet.English, list.Select(part => new HotWord(part, boost)));
                Hypothesis best = new BeamDecoder(Alphabet.English, hotWords: hot).Best(logits, logits.Length / Alphabet.English.Size, 1)[0];
                Assert.That(best.Text, Is.EqualTo(said), $"{string.Join(", ", list)}: {boost}");
            }
        }
    }

    /// <summary>What a boost is for: the letters of a name that was misheard, and a space within it that was heard.</summary>
    [Test]
    public void Best_OfAMisheardName_IsTheHotWord()
    {
        Alphabet english = Alphabet.English;
        float[] logits = Spelled("AND ANNA", english);
        int last = (2 * "AND ANNA".Length - 2) * english.Size;
        logits[last + english.LabelOf("E")] = logits[last + english.LabelOf("A")] - MathF.Log(20);
        Assert.That(Best(), Is.EqualTo("AND ANNA"));
        Assert.That(Best(new HotWord("ANNE", 4)), Is.EqualTo("AND ANNE"));
        logits = Spelled("AND AN NA", english);
        int space = 2 * "AND AN".Length * english.Size;
        logits[space] = logits[space + english.LabelOf(" ")] - MathF.Log(9);
        Assert.That(Best(), Is.EqualTo("AND AN NA"));
        Assert.That(Best(new HotWord("ANNA", 4)), Is.EqualTo("AND ANNA"));

        string Best(params HotWord[] words) => new BeamDecoder(english, hotWords: new HotWords(english, words)).Best(logits, logits.Length / english.Size, 1)[0].Text;
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
        Assert.That(new BeamDecoder(Alphabet.English, hotWords: words).Best(logits, logits.Length / 29, 1)[0].HotWords, Is.EqualTo(HotWords.DefaultBoost + 7.5).Within(0.01));
    }

    /// <summary>As the words of a text are there: white space is none. However a phrase is spaced, it is one phrase, of which the larger boost counts.</summary>
    [Test]
    public void Load_WithoutASpace_TakesPhrasesHoweverTheyAreSpaced()
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "hot.txt");
        File.WriteAllText(path, "a b\t2\nAB\t3\nC\n");
        HotWords words = HotWords.Load(path, NoSpace);
        Assert.That(words.Count, Is.EqualTo(2));
        float[] logits = [9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0];
        Assert.That(new BeamDecoder(NoSpace, hotWords: words).Best(logits, 3, 1)[0].HotWords, Is.EqualTo(3));
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

    /// <summary>Each of eight phrases of nothing but A ends with the shorter ones: the boosts add up to more than e to it can be.</summary>
    [TestCase(100)]
    [TestCase(-100)]
    public void Load_OfBoostsThatAddUpToTooMuch_SaysSo(double boost)
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "hot.txt");
        File.WriteAllLines(path, Enumerable.Range(1, 8).Select(count => $"{string.Join(' ', Enumerable.Repeat("A", count))}\t{boost}"));
        Assert.That(() => HotWords.Load(path, Letters), Throws.TypeOf<InputException>().With.Message.StartsWith(path).And.Message.Contains("800").And.Message.Contains("600").And.Message.Not.Contains("Parameter"));
    }

    [Test]
    public void Load_OfNoFile_SaysSo() => Assert.That(() => HotWords.Load("no-such-file", Alphabet.English), Throws.TypeOf<InputException>());

    [Test]
    public void BeamSearch_OfAnotherAlphabetsHotWords_IsRefused() =>
        Assert.That(() => new BeamSearch(Letters, hotWords: new HotWords(NoSpace, [new HotWord("A", 1)])), Throws.ArgumentException);

    /// <summary>Logits that spell a text, each label for a frame and a blank after it, with such odds against a space there; anything else far less likely.</summary>
    private static float[] Spelled(string text, Alphabet alphabet, float lead = 8, float odds = 1000)
    {
        int[] labels = alphabet.Encode(text);
        var logits = new float[2 * labels.Length * alphabet.Size];
        for (int i = 0; i < labels.Length; i++)
        {
            logits[2 * i * alphabet.Size + labels[i]] = lead;
            logits[(2 * i + 1) * alphabet.Size] = 5;
            if (alphabet[labels[i]] != " ")
                logits[(2 * i + 1) * alphabet.Size + alphabet.Encode("A ")[1]] = 5 - MathF.Log(odds);
        }

        return logits;
    }
}
