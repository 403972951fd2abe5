using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Evaluation;

public sealed class ErrorRatesTests
{
    private static ErrorRates Rates(params (string Reference, string Hypothesis)[] pairs) => Rates(null, pairs);

    private static ErrorRates Rates(Alphabet? alphabet, params (string Reference, string Hypothesis)[] pairs)
    {
        var rates = new ErrorRates(alphabet);
        foreach ((string reference, string hypothesis) in pairs)
            rates.Add(reference, hypothesis);
        return rates;
    }

    [TestCase("kitten", "sitting", 3)]
    [TestCase("flaw", "lawn", 2)]
    [TestCase("intention", "execution", 5)]
    [TestCase("", "abc", 3)]
    [TestCase("abc", "", 3)]
    [TestCase("", "", 0)]
    [TestCase("ab", "ba", 2)]
    public void Distance_KnownPairs(string a, string b, int distance)
    {
        Assert.That(ErrorRates.Distance<char>(a, b), Is.EqualTo(distance));
        Assert.That(ErrorRates.Distance<char>(b, a), Is.EqualTo(distance));
    }

    [Test]
    public void Distance_MatchesTheRecursion()
    {
        static int Slow(string a, string b) => a.Length == 0 ? b.Length : b.Length == 0 ? a.Length : a[0] == b[0]
            ? Slow(a[1..], b[1..])
            : 1 + Math.Min(Slow(a[1..], b[1..]), Math.Min(Slow(a[1..], b), Slow(a, b[1..])));

        var random = new Random(1);
        string Word() => string.Concat(Enumerable.Range(0, random.Next(7)).Select(_ => "ABC"[random.Next(3)]));
        for (int i = 0; i < 300; i++)
        {
            (string a, string b) = (Word(), Word());
            Assert.That(ErrorRates.Distance<char>(a, b), Is.EqualTo(Slow(a, b)), $"{a} {b}");
        }
    }

    [Test]
    public void Wer_IsOverTheCorpus_NotTheMeanOfUtterances()
    {
        // One of one word wrong, none of three: a quarter of the words, half of the utterances.
        ErrorRates rates = Rates(("ONE", "TWO"), ("ONE TWO THREE", "ONE TWO THREE"));
        Assert.That(rates.Wer, Is.EqualTo(25));
        Assert.That(rates.WerUtterance, Is.EqualTo(50));
        Assert.That(rates.Utterances, Is.EqualTo(2));
    }

    [Test]
    public void Wer_CountsInsertionsBeyondAHundred() => Assert.That(Rates(("A", "B C D")).Wer, Is.EqualTo(300));

    [Test]
    public void Cer_LeavesOutSpaces()
    {
        ErrorRates rates = Rates(("AB CD", "A BCX"));
        Assert.That(rates.Cer, Is.EqualTo(25));
        Assert.That(rates.Wer, Is.EqualTo(100));
    }

    [Test]
    public void Rates_IgnoreExtraWhiteSpace() => Assert.That(Rates(("A  B ", " A B")).Wer, Is.Zero);

    [Test]
    public void Rates_EmptyReference()
    {
        Assert.That(Rates(("", "")), Has.Property("Wer").Zero.And.Property("WerUtterance").Zero.And.Property("Cer").Zero);
        Assert.That(Rates(("", "A B")), Has.Property("Wer").EqualTo(100).And.Property("WerUtterance").EqualTo(100));
        // Beside other references its words are two errors more.
        Assert.That(Rates(("", "A B"), ("A B C D", "A B C D")).Wer, Is.EqualTo(50));
    }

    [Test]
    public void Rates_WordsThatCannotBeWritten_AreErrors()
    {
        ErrorRates rates = Rates(("CALL 911 NOW", "CALL NOW"));
        Assert.That((rates.Wer, rates.Cer), Is.EqualTo((100.0 / 3, 100.0 * 3 / 10)));
        Assert.That(Rates(("A \U0001F600", "A")).Cer, Is.EqualTo(50), "one character of two halves");
    }

    /// <summary>A model can write no space of such an alphabet: each word of white space would be wrong for ever, however well the letters are heard.</summary>
    [TestCase("AB CD", "ABXD", 4, 1)]
    [TestCase("AB CD", "ABCD", 4, 0)]
    [TestCase("ABCD", "AB", 4, 2)]
    [TestCase("CALL 911 NOW", "CALLNOW", 10, 3)]
    [TestCase("", "AB", 0, 2)]
    public void Rates_AlphabetWithoutSpace_WordsAreLabels(string reference, string hypothesis, int words, int errors)
    {
        ErrorRates rates = Rates(new Alphabet(["_", .. Enumerable.Range('A', 26).Select(letter => $"{(char)letter}")]), (reference, hypothesis));
        Assert.That((rates.ReferenceWords, rates.WordErrors), Is.EqualTo(((long)words, (long)errors)));
        Assert.That((rates.ReferenceCharacters, rates.CharacterErrors), Is.EqualTo(((long)words, (long)errors)));
    }

    [Test]
    public void Rates_LabelsOfSeveralCharacters_AreWordsAndNotCharacters()
    {
        ErrorRates rates = Rates(new Alphabet(["_", "c", "h", "ch"]), ("ch c", "ch"), ("c h", "ch"));
        Assert.That((rates.ReferenceWords, rates.WordErrors, rates.ReferenceCharacters, rates.CharacterErrors), Is.EqualTo((3L, 1L, 5L, 1L)));
    }

    [Test]
    public void Rates_AlphabetWithSpace_AreThoseOfNone()
    {
        ErrorRates rates = Rates(Alphabet.English, ("CALL 911 NOW", "CALL\u00a0NOW"));
        Assert.That((rates.ReferenceWords, rates.WordErrors, rates.ReferenceCharacters, rates.CharacterErrors), Is.EqualTo((3L, 1L, 10L, 3L)));
    }

    [Test]
    public void Add_OfAnother_IsAsIfAddedThere()
    {
        ErrorRates all = Rates(("A B", "A"), ("C", "C D")), part = Rates(("A B", "A"));
        part.Add(Rates(("C", "C D")));
        Assert.That((part.Utterances, part.Wer, part.WerUtterance, part.Cer), Is.EqualTo((all.Utterances, all.Wer, all.WerUtterance, all.Cer)));
    }

    [Test]
    public void Rates_NothingAdded() => Assert.That(new ErrorRates(), Has.Property("Wer").Zero.And.Property("WerUtterance").Zero.And.Property("Utterances").Zero);
}
