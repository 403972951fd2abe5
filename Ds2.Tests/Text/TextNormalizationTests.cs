using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Text;

public sealed class TextNormalizationTests
{
    private static readonly TextNormalization English = new(Alphabet.English);
    private static readonly Alphabet German = new("_'abcdefghijklmnopqrstuvwxyz\u00e4\u00f6\u00fc\u00df ".Select(c => c.ToString()));

    [TestCase("IT'S A TEXT", "IT'S A TEXT")]
    [TestCase("  it's\n\ta\u00a0text \r\n", "IT'S A TEXT")]
    [TestCase("it\u2019s \u2018t\u02bcwas` \uff07", "IT'S 'T'WAS' '")]
    [TestCase("well-known \u2013 a\u2014b\u2011c \u2212 snake_case", "WELL KNOWN A B C SNAKE CASE")]
    [TestCase("Caf\u00e9, nai\u0308ve: \u1ed9 o\u0323\u0302 \u01fb x\u0302", "CAFE NAIVE O O A X")]
    [TestCase("\ufb01ne o\ufb03ce C\u00e6sar Stra\u00dfe \u00d8re \u0141\u00f3d\u017a \u0152uvre", "FINE OFFICE CAESAR STRASSE ORE LODZ OEUVRE")]
    [TestCase("\uff2c\uff4f\uff57\uff01", "LOW")]
    [TestCase("\u201cHello,\u201d (she) said; [yes]\u2026 \"no\"! \u00bfQu\u00e9? \u00abU.S.A.\u00bb", "HELLO SHE SAID YES NO QUE USA")]
    [TestCase("yes,no well...you then\u2026now a.m. (a)b", "YES NO WELL YOU THEN NOW AM AB")]
    [TestCase("so\u00adft \ufeffzero\u200bwidth", "SOFT ZEROWIDTH")]
    [TestCase("\u212b \u212a", "A K")]
    public void Normalize_MapsWhatHasAnImage(string text, string expected)
    {
        var report = new TextReport("m.csv");
        Assert.That(English.Normalize(text, report), Is.EqualTo(expected));
        Assert.That(report.ForeignCharacters, Is.Empty);
        Assert.That(Alphabet.English.Decode(English.Encode(expected)), Is.EqualTo(expected));
    }

    [TestCase("CALL 911 NOW", "CALL 911 NOW", "CALL NOW")]
    [TestCase("911", "911", "")]
    [TestCase("R&D, 50% @home", "R&D 50% @HOME", "RD HOME")]
    [TestCase("a4 1,000 7 b", "A4 1000 7 B", "A B")]
    [TestCase("\u0434\u0430 yes \U0001f600", "\u0414\u0410 YES \U0001f600", "YES")]
    [TestCase("b\u0000c \ufffd", "B\u0000C \ufffd", "BC")]
    [TestCase("", "", "")]
    public void Normalize_KeepsWhatCannotBeWritten_LabelsDoNot(string text, string expected, string labels)
    {
        string normalized = English.Normalize(text);
        Assert.That(normalized, Is.EqualTo(expected));
        Assert.That(Alphabet.English.Decode(English.Encode(normalized)), Is.EqualTo(labels));
    }

    [Test]
    public void Normalize_TextsOfTheAlphabet_AreAsBefore()
    {
        var random = new Random(1);
        for (int i = 0; i < 500; i++)
        {
            int[] labels = [.. Enumerable.Range(0, random.Next(60)).Select(_ => random.Next(1, 29))];
            string text = Alphabet.English.Decode(labels), spaced = string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            Assert.That(English.Normalize(text), Is.EqualTo(spaced));
            Assert.That(English.Encode(spaced), Is.EqualTo(Alphabet.English.Encode(spaced)));
        }
    }

    [Test]
    public void Normalize_Twice_ChangesNothing()
    {
        var random = new Random(2);
        foreach (TextNormalization normalization in new[] { English, new TextNormalization(German) })
        {
            for (int i = 0; i < 2000; i++)
            {
                string text = string.Concat(Enumerable.Range(0, 20).Select(_ => (Rune.TryCreate(random.Next(i % 2 == 0 ? 0x400 : 0x12000), out Rune rune) ? rune : (Rune)'.').ToString()));
                string once = normalization.Normalize(text);
                Assert.That(normalization.Normalize(once), Is.EqualTo(once), string.Join(' ', text.Select(c => $"{(int)c:X4}")));
            }
        }
    }

    [Test]
    public void IsPlain_TextsThatStayAsTheyAre_ByteForLabel()
    {
        var random = new Random(5);
        int plain = 0;
        foreach (TextNormalization normalization in new[] { English, new TextNormalization(German), new TextNormalization(new Alphabet(["_", "a", "ch", "c", "h", " "])) })
        {
            for (int i = 0; i < 3000; i++)
            {
                string text = new([.. Enumerable.Range(0, random.Next(0, 7)).Select(_ => "ABch ' a\u00fc9-\n"[random.Next(12)])]);
                if (!normalization.IsPlain(System.Text.Encoding.UTF8.GetBytes(text)))
                    continue;
                plain++;
                Assert.That(normalization.Normalize(text), Is.EqualTo(text));
                Assert.That(normalization.Encode(text), Has.Length.EqualTo(text.Length));
            }
        }
        Assert.That(plain, Is.GreaterThan(300));
        Assert.That(English.IsPlain("IT'S A TEXT"u8), Is.True);
        foreach (byte[] other in new byte[][] { [.. " A"u8], [.. "A "u8], [.. "A  B"u8], [.. "a"u8], [.. "A."u8], [.. "_"u8], [.. "\u00c9"u8] })
            Assert.That(English.IsPlain(other), Is.False);
    }

    [Test]
    public void Normalize_IsByTheAlphabet()
    {
        var german = new TextNormalization(German);
        Assert.That(german.Normalize("U\u0308ber STRASSE, Stra\u00dfe; Caf\u00e9 \u00c5"), Is.EqualTo("\u00fcber strasse stra\u00dfe cafe a"));
        var russian = new TextNormalization(new Alphabet(["_", .. "\u0430\u0431\u0432\u0433\u0434\u0435\u0436\u0437\u0438\u0439".Select(c => c.ToString()), " "]));
        Assert.That(russian.Normalize("\u0414\u0430, \u0431\u0435\u0433-\u0401\u0436! \u0418\u0306 '\u00e9"), Is.EqualTo("\u0434\u0430 \u0431\u0435\u0433 \u0435\u0436 \u0439 \u00e9"), "marks go where the alphabet has the bare letter; apostrophes have no sound there");
        var punctuated = new TextNormalization(new Alphabet(["_", "a", "b", ",", "-", " "]));
        Assert.That(punctuated.Normalize("a,b-a."), Is.EqualTo("a,b-a"));
    }

    [Test]
    public void Report_CountsCharactersWithTheirFirstPlace()
    {
        TextReport first = new("m.csv"), second = new("m.csv");
        English.Normalize("99 \U0001f600 \u0434 \u2019", second, "b.txt", 7);
        English.Normalize("9 \U0001f600 \u2019 \u2014 \u0007", first, "a.txt", 3);
        second.Merge(first);
        Assert.That(second.ForeignCharacters, Is.EqualTo(new CharacterCount[]
        {
            new((Rune)'9', null, 3, "a.txt", 3), new(new Rune(0x1F600), null, 2, "a.txt", 3), new((Rune)'\u0007', null, 1, "a.txt", 3), new((Rune)'\u0434', null, 1, "b.txt", 7),
        }));
        Assert.That(second.MappedCharacters, Is.EqualTo(new CharacterCount[] { new((Rune)'\u2019', "'", 2, "a.txt", 3), new((Rune)'\u2014', " ", 1, "a.txt", 3) }));
        Assert.That(second.Summary(), Is.EqualTo(
            "7 characters of 4 kinds are outside the alphabet and cannot be heard: '9' 3 times, first in a.txt (line 3 of m.csv); "
            + "'\U0001f600' 2 times, first in a.txt (line 3 of m.csv); U+0007 once, first in a.txt (line 3 of m.csv); and 1 kinds more"));
        Assert.That(second.RequireWritable, Throws.InstanceOf<InputException>().With.Message.StartsWith("m.csv: 7 characters").And.Message.Contains("'9' 3 times, first in a.txt"));

        var none = new TextReport("m.csv");
        English.Normalize("fine \u2014 too", none, "a.txt", 1);
        Assert.That(none.Summary(), Is.Null);
        Assert.That(none.RequireWritable, Throws.Nothing);
    }

    [Test]
    public void Normalize_AllocatesLittleBesideTheString()
    {
        const string Text = "Well, it's five o'clock \u2013 or was it caf\u00e9 time?";
        var labels = new int[Text.Length];
        string result = English.Normalize(Text);
        English.Encode(result, labels);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 2000; i++)
            English.Encode(English.Normalize(Text), labels);
        Assert.That((GC.GetAllocatedBytesForCurrentThread() - before) / 2000, Is.LessThanOrEqualTo(2 * result.Length + 24 + 100));
    }
}
