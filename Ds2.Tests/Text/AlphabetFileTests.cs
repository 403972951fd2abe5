using Ds2.Runtime;
using Ds2.Runtime.Text;
using Ds2.Tests.Data;

namespace Ds2.Tests.Text;

public sealed class AlphabetFileTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [TestCase("[\"_\", \"'\", \"a\", \"\\u00e4\", \" \"]")]
    [TestCase("# a comment\n'\na\n\u00e4\n \n")]
    [TestCase("\uFEFF'\r\na\r\na\u0308\r\n \r\n")]
    public void Read_BothForms_AreTheSameAlphabet(string text)
    {
        Alphabet alphabet = AlphabetFile.Read(folder.Write("a.txt", text));
        Assert.That(alphabet.Labels, Is.EqualTo(new[] { "_", "'", "a", "\u00e4", " " }));
    }

    [Test]
    public void Read_TextWithTheUsualBlank_TakesAnother() =>
        Assert.That(AlphabetFile.Read(folder.Write("a.txt", "_\n\\#\n")).Labels, Is.EqualTo(new[] { "<blank>", "_", "#" }));

    [Test]
    public void Write_English_ReadsAsEnglish()
    {
        AlphabetFile.Write(folder["english.json"], Alphabet.English);
        Assert.That(AlphabetFile.Read(folder["english.json"]), Is.EqualTo(Alphabet.English));
    }

    [TestCase("[\"_\", \"a\", \"a\"]", "twice")]
    [TestCase("[\"_\", 1]", "no JSON array")]
    [TestCase("[\"_\"", "no JSON array")]
    [TestCase("[\"a\", \"b\", \" \", \"_\"]", "put \"_\" first")]
    [TestCase("[\" \", \"a\", \"<blank>\"]", "put \"_\" first")]
    [TestCase("", "can write nothing")]
    [TestCase("a\n\t\n", "white space")]
    public void Read_NoAlphabet_IsOneLineThatNamesTheFile(string text, string fault)
    {
        string path = folder.Write("bad.json", text);
        Assert.That(() => AlphabetFile.Read(path), Throws.TypeOf<InputException>().With.Message.StartsWith(path).And.Message.Contains(fault).And.Message.Not.Contains("\n"));
    }

    [Test]
    public void Survey_OfEnglishTexts_GivesTheEnglishAlphabet()
    {
        var survey = new AlphabetSurvey(LetterCase.Upper);
        survey.Add("The quick brown fox jumps over the lazy dog, and that\u2019s \u201Call\u201D \u2013 yes.", "a.txt");
        Assert.Multiple(() =>
        {
            Assert.That(survey.ToAlphabet(), Is.EqualTo(Alphabet.English));
            Assert.That(survey.Counts[0], Is.EqualTo((" ", 13L)));
            Assert.That(survey.Counts.Single(count => count.Character == "'").Count, Is.EqualTo(1));
        });
    }

    [Test]
    public void Survey_LettersWithMarks_AreOneLabelEach()
    {
        var survey = new AlphabetSurvey(LetterCase.AsWritten);
        survey.Add("Zo\u0308e x\u0323a 7 7", "a.txt");
        Alphabet alphabet = survey.ToAlphabet();
        Assert.Multiple(() =>
        {
            Assert.That(alphabet.Labels, Is.EqualTo(new[] { "_", "7", "Z", "a", "e", "x\u0323", "\u00f6", " " }));
            Assert.That(alphabet.Decode(alphabet.Encode("Zo\u0308e x\u0323a")), Is.EqualTo("Z\u00f6e x\u0323a"));
            Assert.That(survey.ToAlphabet(leastCount: 2).Labels, Is.EqualTo(new[] { "_", "7", " " }));
            Assert.That(() => survey.ToAlphabet(leastCount: 9), Throws.TypeOf<InputException>());
        });
    }

    /// <summary>What a broken conversion leaves, and a mark that stands on white space: the rest makes an alphabet all the same.</summary>
    [Test]
    public void Survey_WhatNoLabelCanBe_IsLeftOutAndTold()
    {
        var survey = new AlphabetSurvey(LetterCase.AsWritten);
        survey.Add("ab a", "good.txt");
        survey.Add("a\uFFFDb \u0301c\uFFFD", "bad.txt");
        survey.Add("\uFFFD", "worse.txt");
        Assert.Multiple(() =>
        {
            Assert.That(survey.ToAlphabet().Labels, Is.EqualTo(new[] { "_", "a", "b", "c", " " }));
            Assert.That(survey.Unwritable, Is.EqualTo(new[] { ("\uFFFD", 3L), (" \u0301", 1L) }));
            Assert.That(survey.UnwritableIn, Is.EqualTo("bad.txt"));
        });
    }

    /// <summary>U+1E96 is a small letter whose capital is two characters.</summary>
    [Test]
    public void Survey_CapitalWithoutAComposedForm_IsItsSmallLetter()
    {
        var survey = new AlphabetSurvey(LetterCase.Lower);
        survey.Add("H\u0331\u1E96", "a.txt");
        Assert.That(survey.ToAlphabet().Labels, Is.EqualTo(new[] { "_", "\u1E96" }));
    }
}
