using Ds2.Runtime.Decoding;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

public sealed class WordPosteriorsTests
{
    private static Hypothesis Of(string text, double probability) => new(text, 0, 0, 0, 0, 0, Math.Log(probability));

    [Test]
    public void Of_AWord_IsTheShareOfTheTextsThatHaveItAtItsPlace()
    {
        // Probabilities need not sum to 1: all are divided by their sum, 0.8.
        Hypothesis[] list = [Of("A B C", 0.4), Of("A C", 0.2), Of("X B C ", 0.1), Of("A B D C", 0.1)];
        Assert.That(WordPosteriors.Of(Alphabet.English, list), Is.EqualTo(new[] { 7.0 / 8, 6.0 / 8, 1 }).Within(1e-12));
        Assert.That(WordPosteriors.Of(Alphabet.English, list, scale: 1e-9), Is.EqualTo(new[] { 3.0 / 4, 3.0 / 4, 1 }).Within(1e-6));
    }

    [Test]
    public void Of_AnAlphabetWithoutASpace_IsALabelsShare()
    {
        var alphabet = new Alphabet(["_", "地", "人", "人\u0301", "天"]);
        Assert.That(WordPosteriors.Of(alphabet, [Of("地人\u0301", 0.5), Of("天人\u0301", 0.25), Of("地人", 0.25)]), Is.EqualTo(new[] { 3.0 / 4, 3.0 / 4 }).Within(1e-12));
    }

    /// <summary>Of a word that the language model alone came upon, the other search says that nobody heard it.</summary>
    [Test]
    public void OfBoth_IsTheMeanOfTwoSearches() => Assert.That(
        WordPosteriors.OfBoth(Alphabet.English, "THE CAT", [Of("THE CAT", 0.75), Of("THE MAT", 0.25)], [Of("THE KAT", 0.5), Of("TE KAT", 0.5)]),
        Is.EqualTo(new[] { (1 + 0.5) / 2, (0.75 + 0) / 2 }).Within(1e-12));

    [Test]
    public void Of_NoWords_IsEmpty() => Assert.That(WordPosteriors.Of(Alphabet.English, [Of("", 1)]), Is.Empty);

    [Test]
    public void Of_ScoresFarApart_IsBetween0And1() =>
        Assert.That(WordPosteriors.Of(Alphabet.English, [new Hypothesis("A B", 0, 0, 0, 0, 0, -5000), new Hypothesis("A C", 0, 0, 0, 0, 0, -9000)]), Is.EqualTo(new[] { 1.0, 1 }));

    [Test]
    public void Of_NoHypotheses_IsRefused()
    {
        Assert.That(() => WordPosteriors.Of(Alphabet.English, []), Throws.ArgumentException);
        Assert.That(() => WordPosteriors.Of(Alphabet.English, [Of("A", 1)], scale: 0), Throws.ArgumentException);
    }
}
