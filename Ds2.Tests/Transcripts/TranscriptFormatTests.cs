using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Recognition;
using Ds2.Train.Transcripts;

namespace Ds2.Tests.Transcripts;

/// <summary>What each format looks like, letter by letter.</summary>
public sealed class TranscriptFormatTests
{
    private static IEnumerable<string> Formats => TranscriptFormat.All.Select(format => format.Name);

    [Test]
    public void Parse_TakesEachName_AndNamesThemAllForAnother()
    {
        Assert.That(Formats, Is.EqualTo(new[] { "txt", "json", "srt", "vtt", "ctm", "tsv" }));
        Assert.That(Formats.Select(TranscriptFormat.Parse), Is.EqualTo(TranscriptFormat.All));
        Assert.That(TranscriptFormat.Parse("SRT").FileEnding, Is.EqualTo(".srt"));
        Assert.That(
            () => TranscriptFormat.Parse("doc"), Throws.TypeOf<InputException>().With.Message.EqualTo("no transcript format 'doc'; there are txt, json, srt, vtt, ctm, tsv"));
    }

    [Test]
    public void Txt_IsALineASegment() => Assert.That(Samples.Small.Written("txt"), Is.EqualTo("hello <b>world\ngood & bad\n"));

    [Test]
    public void Srt_NumbersCues_AndKeepsTagsFromBeingRead() => Assert.That(Samples.Small.Written("srt"), Is.EqualTo(
        """
        1
        00:00:00,480 --> 00:00:01,700
        hello <~b>world

        2
        00:00:03,000 --> 00:00:05,100
        good & bad


        """.Replace('~', '\u2060')));

    [Test]
    public void Vtt_EscapesWhatWouldBeMarkup() => Assert.That(Samples.Small.Written("vtt"), Is.EqualTo(
        """
        WEBVTT

        00:00:00.480 --> 00:00:01.700
        hello &lt;b&gt;world

        00:00:03.000 --> 00:00:05.100
        good &amp; bad

        """));

    [Test]
    public void Ctm_HasAWordALine_ThoseWithoutTimesShareTheSegmentsByTheirLengths() => Assert.That(Samples.Small.Written("ctm"), Is.EqualTo(
        """
        first_day 1 0.480 0.420 hello
        first_day 1 1.100 0.600 <b>world
        first_day 1 3.000 1.050 good
        first_day 1 4.050 0.262 &
        first_day 1 4.312 0.788 bad

        """));

    [Test]
    public void Ctm_HasConfidences_WhereAllWordsHaveThem() => Assert.That(
        (Samples.Small with { Segments = [Samples.Small.Segments[0]] }).Written("ctm"),
        Is.EqualTo("first_day 1 0.480 0.420 hello 0.988\nfirst_day 1 1.100 0.600 <b>world 0.500\n"));

    [Test]
    public void Tsv_IsWhispers() => Assert.That(Samples.Small.Written("tsv"), Is.EqualTo("start\tend\ttext\n480\t1700\thello <b>world\n3000\t5100\tgood & bad\n"));

    [Test]
    public void Json_HasAllThatIsKnown_AndNothingOfTheRest() => Assert.That(Samples.Small.Written("json", new TranscribedBy("best.safetensors", "words.lm")), Is.EqualTo(
        """
        {
          "version": 1,
          "file": "talks/first day.flac",
          "seconds": 12.5,
          "model": "best.safetensors",
          "languageModel": "words.lm",
          "text": "hello <b>world good & bad",
          "segments": [
            {
              "start": 0.48,
              "end": 1.7,
              "text": "hello <b>world",
              "words": [
                {
                  "word": "hello",
                  "start": 0.48,
                  "end": 0.9,
                  "confidence": 0.9876
                },
                {
                  "word": "<b>world",
                  "start": 1.1,
                  "end": 1.7,
                  "confidence": 0.5
                }
              ]
            },
            {
              "start": 3,
              "end": 5.1,
              "text": "good & bad",
              "alternatives": [
                {
                  "text": "good & bad",
                  "logProbability": -1.2346,
                  "score": -1.2346
                },
                {
                  "text": "could & \"bad\"",
                  "logProbability": -2.5,
                  "score": -2.5
                }
              ]
            }
          ]
        }

        """));

    [TestCase("txt", "")]
    [TestCase("srt", "")]
    [TestCase("vtt", "WEBVTT\n")]
    [TestCase("ctm", "")]
    [TestCase("tsv", "start\tend\ttext\n")]
    [TestCase("json", "{\n  \"version\": 1,\n  \"file\": \"silence.wav\",\n  \"seconds\": 3,\n  \"text\": \"\",\n  \"segments\": []\n}\n")]
    public void Silence_IsAValidFile(string format, string expected)
    {
        Assert.That(Samples.Silence.Written(format), Is.EqualTo(expected));
        if (format != "json")
            Assert.That((Samples.Silence with { Segments = [new Segment(1, 2, " \n ", [], [])] }).Written(format), Is.EqualTo(expected), "nor is white space a text");
    }

    [TestCaseSource(nameof(Formats))]
    public void Format_DoesNotGoByTheSystem(string format)
    {
        string expected = Samples.Small.Written(format);
        Assert.That(expected, Does.Not.Contain("\r"));
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = ",", NegativeSign = "~" } };
            Assert.That(Samples.Small.Written(format), Is.EqualTo(expected));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [TestCase("a\tb\r\nc\u2028d\u0085 e\0f", "a b c d e f")]
    [TestCase("\U0001F600 \"quoted\" 'text'", "\U0001F600 \"quoted\" 'text'")]
    public void OddText_StaysOnItsLine(string text, string line)
    {
        Assert.That(Samples.Of(text).Written("txt"), Is.EqualTo(line + "\n"));
        Assert.That(Samples.Of(text).Written("tsv"), Is.EqualTo($"start\tend\ttext\n0\t4000\t{line}\n"));
        Assert.That(Samples.Of(text).Written("srt"), Is.EqualTo($"1\n00:00:00,000 --> 00:00:04,000\n{line}\n\n"));
        Assert.That(Samples.Of(text).Written("vtt"), Is.EqualTo($"WEBVTT\n\n00:00:00.000 --> 00:00:04.000\n{line}\n"));
    }

    [Test]
    public void HalfASurrogatePair_IsAReplacementCharacter() => OddText_StaysOnItsLine("half \uD83D of a pair", "half \uFFFD of a pair"); // no attribute holds one

    [Test]
    public void Vtt_HasNoArrowInAText() => Assert.That(Samples.Of("a --> b &gt;").Written("vtt"), Does.EndWith("\na --&gt; b &amp;gt;\n"));

    [TestCase("<i> < 3 > 2", "<~i> < 3 > 2")]
    [TestCase("{\\an8}", "{~\\~an8}")]
    [TestCase("a\\Nb \\", "a\\~Nb \\")]
    public void Srt_JoinsWhatWouldBeMarkup(string text, string line) => Assert.That(Samples.Of(text).Written("srt"), Does.EndWith($"\n{line.Replace('~', '\u2060')}\n\n"));

    [TestCase("a b", "a_b")]
    [TestCase("don't;stop", "don't_stop")]
    [TestCase(";", "_")]
    [TestCase("a\\b", "a_b")]
    [TestCase("@", "_@")]
    [TestCase("a@b", "a@b")]
    [TestCase("<alt_begin>", "_<alt_begin>")]
    public void Ctm_ReplacesWhatIsNoWordToSclite(string word, string written) =>
        Assert.That(Samples.OfWords(word).Written("ctm"), Is.EqualTo($"a 1 0.000 0.200 {written}\n"));

    [TestCase("-", null, "stdin")]
    [TestCase("/a.b/c.d.wav", null, "c.d")]
    [TestCase("/a.b/c.d.wav", "a.b/c d", "a.b/c_d")]
    [TestCase(";;a b.wav", null, "__a_b")]
    [TestCase(".wav", null, "_")]
    public void Ctm_NamesTheRecordingInOneColumn(string source, string? name, string written) => Assert.That(CtmWriter.FileOf(source, name), Is.EqualTo(written));

    [Test]
    public void Ctm_WithoutSpaces_HasALineACharacter() =>
        Assert.That(Samples.Of("你e\u0301好", 4, separator: "").Written("ctm"), Is.EqualTo("a 1 0.000 1.000 你\na 1 1.000 2.000 e\u0301\na 1 3.000 1.000 好\n"));

    [TestCase(359_999_999, "99:59:59,999")]
    [TestCase(360_000_000, "100:00:00,000")]
    [TestCase(61_001, "00:01:01,001")]
    public void Times_HaveAsManyHoursAsThereAre(long milliseconds, string expected) => Assert.That(Cue.Time(milliseconds, ','), Is.EqualTo(expected));
}
