using System.Text.Json;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Text;

public sealed class AlphabetTests
{
    [Test]
    public void English_HasItsLabels()
    {
        Alphabet english = Alphabet.English;
        Assert.That((english.Size, english.Blank, english[0], english[1], english[2], english[27], english[28]), Is.EqualTo((29, 0, "_", "'", "A", "Z", " ")));
        Assert.That(english.Encode("It's a_z! \u00e9"), Is.EqualTo(new[] { 10, 21, 1, 20, 28, 2, 27, 28 }), "no text contains a blank");
        Assert.That(english.Decode([10, 21, 1, 20]), Is.EqualTo("IT'S"));
    }

    [Test]
    public void Equality_IsByLabels()
    {
        var copy = new Alphabet(Alphabet.English.Labels);
        Assert.That(copy, Is.EqualTo(Alphabet.English));
        Assert.That(copy.GetHashCode(), Is.EqualTo(Alphabet.English.GetHashCode()));
        Assert.That(new Alphabet(Alphabet.English.Labels.Reverse()), Is.Not.EqualTo(Alphabet.English));
        Assert.That(new Alphabet(["_", "a", "b"]), Is.Not.EqualTo(new Alphabet(["_", "ab"])));
    }

    [Test]
    public void Json_RoundTrips()
    {
        string json = JsonSerializer.Serialize(Alphabet.English);
        Assert.That(JsonSerializer.Deserialize<string[]>(json), Is.EqualTo(Alphabet.English.Labels));
        Assert.That(JsonSerializer.Deserialize<Alphabet>(json), Is.EqualTo(Alphabet.English));
        var others = new Alphabet(["<blank>", "ch", "c", "h", "\u00e9", "\U00010428", " "]);
        Assert.That(JsonSerializer.Deserialize<Alphabet>(JsonSerializer.Serialize(others)), Is.EqualTo(others));
        foreach (string bad in new[] { "[]", "[\"_\"]", "[\"_\",\"\"]", "[\"_\",\"a\",\"a\"]", "[\"_\",\"a b\"]", "[\"_\",null]", "null", "[1]" })
            Assert.That(() => JsonSerializer.Deserialize<Alphabet>("{\"a\":" + bad + "}", JsonSerializerOptions.Default) ?? throw new JsonException(), Throws.InstanceOf<JsonException>(), bad);
    }

    [Test]
    public void Encode_TakesTheLongestLabel()
    {
        var alphabet = new Alphabet(["_", "c", "h", "ch", "sch", "s", "\U00010428", " "]);
        Assert.That(alphabet.Encode("schcsh ch\U00010428"), Is.EqualTo(new[] { 4, 1, 5, 2, 7, 3, 6 }));
        Assert.That(alphabet.Decode(alphabet.Encode("schcsh ch\U00010428")), Is.EqualTo("schcsh ch\U00010428"));
        Assert.That(alphabet.Encode("SCH"), Is.EqualTo(new[] { 4 }), "labels of small letters alone make capitals small");
    }

    [Test]
    public void Words_AreWhatSpacesSeparate_OrLabels()
    {
        var spaced = new Alphabet(["_", "c", "h", "ch", " "]);
        var written = new Alphabet(["_", "地", "人", "人\u0301"]);
        Assert.That((spaced.Space, written.Space), Is.EqualTo((4, -1)));
        Assert.That(spaced.WordsOf(" ch  hc "), Is.EqualTo(new[] { "ch", "hc" }));
        Assert.That(written.WordsOf("人\u0301地"), Is.EqualTo(new[] { "人\u0301", "地" }));
        Assert.That(written.WordsOf(" 地 人\u00a07\U0001F600"), Is.EqualTo(new[] { "地", "人", "7", "\U0001F600" }), "what no label writes was said, but for the spaces");
        Assert.That(new Alphabet(["_", "c", "h", "ch"]).WordsOf("c h"), Is.EqualTo(new[] { "ch" }), "as what a model writes of it is read");
    }

    [Test]
    public void Encode_CasesApart_WhereTheAlphabetHasBoth()
    {
        var alphabet = new Alphabet(["_", "a", "A", "b"]);
        Assert.That(alphabet.Encode("aAbB"), Is.EqualTo(new[] { 1, 2, 3 }));
    }

    [Test]
    public void Labels_AreComposed()
    {
        var alphabet = new Alphabet(["_", "e", "e\u0301"]);
        Assert.That(alphabet[2], Is.EqualTo("\u00e9"));
        Assert.That(alphabet.Encode("e\u00e9e\u0301"), Is.EqualTo(new[] { 1, 2, 2 }));
    }

    /// <summary>A capital of the first and a small letter of the second are no single characters.</summary>
    [TestCase("h\u1e96", "Hh\u0331H\u0331")]
    [TestCase("I\u0130", "ii\u0307I\u0307")]
    public void Encode_ComposesWhatTheOtherCaseCannot(string letters, string text)
    {
        var alphabet = new Alphabet(["_", letters[..1], letters[1..]]);
        Assert.That(alphabet.Encode(text), Is.EqualTo(new[] { 1, 2, 2 }));
        Assert.That(alphabet.WordsOf(text), Is.EqualTo(new[] { letters[..1], letters[1..], letters[1..] }));
        var normalization = new TextNormalization(alphabet);
        Assert.That(normalization.Encode(normalization.Normalize(text)), Is.EqualTo(new[] { 1, 2, 2 }));
    }
}
