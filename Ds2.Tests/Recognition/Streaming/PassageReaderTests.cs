using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Runtime.Text;
using Ds2.Tests.Decoding;

namespace Ds2.Tests.Recognition.Streaming;

/// <summary>Where passages end, on made-up logits, greedily and by beam search.</summary>
public sealed class PassageReaderTests
{
    private static readonly Alphabet English = Alphabet.English;
    private static readonly Alphabet NoSpace = new(["_", "A", "B", "C"]);

    /// <summary>50 frames a second, the first centred on 0.01 s: frame t lasts from 0.02 t to 0.02 (t + 1).</summary>
    private static readonly FrameTimes Times = new(0.01, 0.02);

    /// <summary>The letters of HELLO are in the frames 0, 2, …, 8, the space is in 10, those of WORLD are in 12 to 20.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void Advance_APause_EndsThePassageAndItsLastWord(bool beam)
    {
        PassageReader reader = Reader(English, beam, new StreamingOptions());
        reader.Advance(Spelled.Logits("HELLO WORLD", English));
        reader.Advance(Spelled.Silence(38, English));
        Assert.That((reader.Text, reader.TryTake(out _)), Is.EqualTo(("HELLO WORLD", false)), "39 blanks after the last letter: 0.8 s are not over");
        Assert.That(reader.Start, Is.Zero.Within(1e-9));
        reader.Advance(Spelled.Silence(1, English));
        Assert.That(reader.TryTake(out Passage? passage));
        Assert.That((passage!.Text, reader.Text, reader.Stable), Is.EqualTo(("HELLO WORLD", "", 0)));
        Assert.That(new[] { passage.Start, passage.End }, Is.EqualTo(new[] { 0, 0.42 }).Within(1e-9));
        Assert.That(passage.Words.Select(word => word.Text), Is.EqualTo(new[] { "HELLO", "WORLD" }));
        Assert.That(new[] { passage.Words[0].End, passage.Words[1].Start }, Is.EqualTo(new[] { 0.18, 0.24 }).Within(1e-9));

        // 61 frames are over, no space was heard, and the next word is one of its own.
        reader.Advance(Spelled.Silence(100, English));
        reader.Advance(Spelled.Logits("AGAIN", English));
        Assert.That(reader.Text, Is.EqualTo("AGAIN"));
        reader.Finish();
        Assert.That(reader.TryTake(out passage));
        Assert.That(passage!.Text, Is.EqualTo("AGAIN"));
        Assert.That(new[] { passage.Start, passage.End }, Is.EqualTo(new[] { 3.22, 3.40 }).Within(1e-9));
        reader.Finish();
        Assert.That(reader.TryTake(out _), Is.False);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Advance_ThirtySecondsWithoutAPause_EndThePassageBetweenTwoWords(bool beam)
    {
        PassageReader reader = Reader(English, beam, new StreamingOptions());
        string said = string.Join(' ', Enumerable.Range(0, 200).Select(i => i % 3 == 0 ? "STATION" : i % 3 == 1 ? "A" : "HOUSE"));
        reader.Advance(Spelled.Logits(said, English));
        reader.Finish();
        Passage[] passages = All(reader);
        Assert.That(string.Join(' ', passages.Select(passage => passage.Text)), Is.EqualTo(said));
        Assert.That(passages, Has.Length.EqualTo(2));
        Assert.That(passages[0].End, Is.InRange(30 - 0.32, 30.32), "STATION and its space last 0.32 s");
        Assert.That(passages[1].Start, Is.GreaterThan(passages[0].End));
        Assert.That(passages.SelectMany(passage => passage.Words).Select(word => word.Text), Is.EqualTo(said.Split(' ')));
    }

    /// <summary>Where no space is written, each label is a word, and there is no space to wait for.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void Advance_WithoutSpacesInTheAlphabet_EndsBetweenTwoLabels(bool beam)
    {
        PassageReader reader = Reader(NoSpace, beam, new StreamingOptions { LongestPassage = 1 });
        string said = string.Concat(Enumerable.Repeat("ABCAACB", 10));
        reader.Advance(Spelled.Logits(said, NoSpace));
        reader.Finish();
        Passage[] passages = All(reader);
        Assert.That(string.Concat(passages.Select(passage => passage.Text)), Is.EqualTo(said));
        Assert.That(passages, Has.Length.EqualTo(3));
        Assert.That(string.Concat(passages.SelectMany(passage => passage.Words).Select(word => word.Text)), Is.EqualTo(said));
        Assert.That(passages.SelectMany(passage => passage.Words), Has.All.Matches<TimedWord>(word => word.Text.Length == 1 && Math.Abs(word.End - word.Start - 0.02) < 1e-9));
    }

    /// <summary>A hum that the model takes for a word without an end is cut, or a stream would take more and more memory.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void Advance_AWordWithoutAnEnd_IsCutAtTwiceTheLength(bool beam)
    {
        PassageReader reader = Reader(English, beam, new StreamingOptions { LongestPassage = 1 });
        reader.Advance(Spelled.Logits(string.Concat(Enumerable.Repeat("HM", 100)), English));
        Passage[] passages = All(reader);
        Assert.That(passages, Has.Length.EqualTo(4));
        Assert.That(passages, Has.All.Matches<Passage>(passage => passage.Text.Length == 50));
    }

    [Test]
    public void Advance_ForHours_TakesNoMoreMemoryThanAPassage()
    {
        var passage = new BeamPassage(English, new BeamOptions { Width = 8 });
        var reader = new PassageReader(English, passage, new StreamingOptions { Pause = 0.2, LongestPassage = 2 }, Times);
        float[][] sounds = [Spelled.Logits("HELLO WORLD", English), Speech.Logits(new Random(1), 250, English), Spelled.Silence(30, English)];
        Run(5);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        Run(60);
        Assert.That(GC.GetTotalMemory(forceFullCollection: true) - before, Is.LessThan(100_000));

        void Run(int rounds)
        {
            for (int round = 0; round < rounds; round++)
            {
                foreach (float[] sound in sounds)
                    reader.Advance(sound);
                while (reader.TryTake(out _))
                {
                    // Somebody reads them.
                }
            }
        }
    }

    [Test]
    public void Advance_OfHalfAFrame_IsRefused() =>
        Assert.That(() => Reader(English, false, new StreamingOptions()).Advance(new float[30]), Throws.ArgumentException.With.Message.Contains("30 logits"));

    private static PassageReader Reader(Alphabet alphabet, bool beam, StreamingOptions options) =>
        new(alphabet, beam ? new BeamPassage(alphabet, new BeamOptions { Width = 20 }) : new GreedyPassage(alphabet), options, Times);

    private static Passage[] All(PassageReader reader)
    {
        var passages = new List<Passage>();
        while (reader.TryTake(out Passage? passage))
            passages.Add(passage);
        return [.. passages];
    }
}
