using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Recognition;
using Ds2.Train.Transcripts;

namespace Ds2.Tests.Transcripts;

/// <summary>Where subtitles begin and end.</summary>
public sealed class CueCutterTests
{
    [Test]
    public void Cues_OfAnything_AreInOrder_ReadableAndWhole()
    {
        var random = new Random(1);
        for (int i = 0; i < 150; i++)
        {
            Transcription transcription = Samples.Random(random);
            IReadOnlyList<Cue> cues = CueCutter.Cut(transcription);
            long before = 0;
            foreach (Cue cue in cues)
            {
                Assert.That(cue.Start, Is.GreaterThanOrEqualTo(before));
                Assert.That(cue.End - cue.Start, Is.InRange(1, CueCutter.Longest));
                Assert.That(cue.Lines, Has.Count.InRange(1, 2));
                Assert.That(cue.Lines.Select(DisplayText.Width), Is.All.InRange(1, CueCutter.LineWidth));
                before = cue.End;
            }

            for (int k = 0; k + 1 < cues.Count; k++)
                Assert.That(cues[k].End - cues[k].Start >= CueCutter.Shortest || cues[k].End >= cues[k + 1].Start, "a short cue stays up to the next");
            Assert.That(
                string.Concat(cues.SelectMany(cue => cue.Lines)).Replace(" ", ""), Is.EqualTo(string.Concat(transcription.Segments.Select(segment => segment.Text)).Replace(" ", "")));
        }
    }

    [Test]
    public void Cues_AreShownWhileTheirWordsAreSaid()
    {
        string[] words = [.. Enumerable.Range(0, 200).Select(i => $"w{i}")];
        Transcription transcription = Samples.OfWords(words);
        foreach (Cue cue in CueCutter.Cut(transcription))
        {
            string[] shown = string.Join(' ', cue.Lines).Split(' ');
            TimedWord first = transcription.Words.Single(word => word.Text == shown[0]), last = transcription.Words.Single(word => word.Text == shown[^1]);
            Assert.That((cue.Start, cue.End), Is.EqualTo((SpokenWord.Milliseconds(first.Start), SpokenWord.Milliseconds(last.End))));
        }
    }

    [Test]
    public void LongText_IsTheFewestCues_AboutEquallyLong()
    {
        // 20 words of 4 letters are 99 columns: a cue too many for one, and none of the two is left with a word or two.
        IReadOnlyList<Cue> cues = CueCutter.Cut(Samples.OfWords([.. Enumerable.Repeat("word", 20)]));
        Assert.That(cues.Select(cue => string.Join('|', cue.Lines)), Is.EqualTo(Enumerable.Repeat("word word word word word|word word word word word", 2)));
    }

    [Test]
    public void Pause_IsWhereACueEnds_IfItNeedNotBeMore()
    {
        Transcription even = Samples.OfWords([.. Enumerable.Repeat("word", 20)]);
        Segment segment = even.Segments[0];
        // Half a second more after the seventh word.
        Transcription paused = even with { Segments = [segment with { Words = [.. segment.Words.Select((word, i) => i < 7 ? word : new TimedWord(word.Text, word.Start + 0.5, word.End + 0.5))] }] };
        Assert.That(CueCutter.Cut(paused).Select(cue => cue.Lines.Sum(line => line.Split(' ').Length)), Is.EqualTo(new[] { 7, 13 }));
        // A second more, and no cue goes across it, whatever it costs.
        Transcription longer = even with { Segments = [segment with { Words = [.. segment.Words.Select((word, i) => i < 1 ? word : new TimedWord(word.Text, word.Start + 1, word.End + 1))] }] };
        Assert.That(CueCutter.Cut(longer)[0].Lines, Is.EqualTo(new[] { "word" }));
    }

    [Test]
    public void SevenSeconds_AreTheLongest()
    {
        var slow = new Segment(0, 20, "a b c", [new TimedWord("a", 0, 4), new TimedWord("b", 4.1, 8), new TimedWord("c", 8.1, 20)], []);
        Assert.That(
            CueCutter.Cut(new Transcription("a.wav", 20, " ", [slow])).Select(cue => (cue.Start, cue.End)),
            Is.EqualTo(new[] { (0L, 4000L), (4100L, 8000L), (8100L, 15100L) }));
    }

    [Test]
    public void ShortCue_StaysForASecond_AsFarAsTheNextAndTheEndAllow()
    {
        static Segment Word(double start, double end) => new(start, end, "a", [new TimedWord("a", start, end)], []);
        Assert.That(
            CueCutter.Cut(new Transcription("a.wav", 5.5, " ", [Word(0, 0.2), Word(0.7, 0.9), Word(3, 3.1), Word(5, 5.1)])).Select(cue => (cue.Start, cue.End)),
            Is.EqualTo(new[] { (0L, 700L), (700L, 1700L), (3000L, 4000L), (5000L, 5500L) }));
    }

    [Test]
    public void LongSegmentWithoutTimes_IsCutInProportion()
    {
        IReadOnlyList<Cue> cues = CueCutter.Cut(Samples.Of(string.Join(' ', Enumerable.Repeat("word", 40)), seconds: 20));
        Assert.That(cues, Has.Count.EqualTo(3));
        foreach (Cue cue in cues)
            Assert.That(cue.End - cue.Start, Is.EqualTo(20_000 / 40 * cue.Lines.Sum(line => line.Split(' ').Length)));
    }

    [Test]
    public void WordLongerThanALine_IsCut()
    {
        IReadOnlyList<Cue> cues = CueCutter.Cut(Samples.Of(new string('x', 100) + " y", seconds: 6));
        Assert.That(string.Concat(cues.SelectMany(cue => cue.Lines)), Is.EqualTo(new string('x', 100) + "y").Or.EqualTo(new string('x', 100) + " y"));
        Assert.That(cues.SelectMany(cue => cue.Lines).Select(DisplayText.Width), Is.All.LessThanOrEqualTo(42));
    }

    [Test]
    public void WideCharacters_CountTwice() =>
        Assert.That(CueCutter.Cut(Samples.Of(new string('你', 42), separator: "")).Select(cue => string.Join('|', cue.Lines)), Is.EqualTo(new[] { new string('你', 21) + '|' + new string('你', 21) }));
}
