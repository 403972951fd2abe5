using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;

namespace Ds2.Tests.Decoding.LanguageModels;

public sealed class VocabularyFitTests
{
    private static VocabularyFit Fit(Alphabet alphabet, params string[] words)
    {
        using var folder = new TempFolder();
        using LanguageModel model = LanguageModel.Open(folder.Write(
            "a.arpa", $"\\data\\\nngram 1={words.Length + 3}\n\n\\1-grams:\n-9\t<unk>\n-99\t<s>\n-1\t</s>\n{string.Concat(words.Select(word => $"-1\t{word}\n"))}\n\\end\\\n"));
        return VocabularyFit.Of(model, alphabet);
    }

    [Test]
    public void Of_CapitalsForCapitals_Fits()
    {
        VocabularyFit fit = Fit(Alphabet.English, "GO", "IT'S", "7", "CAFÉ");
        Assert.That((fit.Words, fit.Foreign, fit.IsWrong), Is.EqualTo((4, 2, false)), "numbers and foreign words are in any text");
    }

    [Test]
    public void Of_TheOtherCase_IsWrong()
    {
        VocabularyFit fit = Fit(Alphabet.English, "go", "left", "right");
        Assert.That((fit.Words, fit.Foreign, fit.IsWrong), Is.EqualTo((3, 3, true)));
        Assert.That(fit.Written, Is.EqualTo(fit.Example.ToUpperInvariant()));
    }

    [Test]
    public void Of_AnotherScript_IsWrong()
    {
        VocabularyFit fit = Fit(Alphabet.English, "да");
        Assert.That((fit.IsWrong, fit.Example, fit.Written), Is.EqualTo((true, "да", "")));
    }

    [Test]
    public void Of_AnAlphabetWithoutSpace_TakesLabelsForWords()
    {
        var syllables = new Alphabet(["_", "KA", "NA"]);
        Assert.That((Fit(syllables, "KA", "NA").Foreign, Fit(syllables, "KANA").Foreign), Is.EqualTo((0, 1)));
    }

    [Test]
    public void Of_NoWords_IsNotWrong() => Assert.That(Fit(Alphabet.English).IsWrong, Is.False);
}
