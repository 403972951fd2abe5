using Ds2.Runtime.Data;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Evaluation;

public sealed class ErrorDetailsTests
{
    [Test]
    public void Of_CountsBySpeaker_ByUtterance_ByWordAndByLetter()
    {
        var details = ErrorDetails.Of(
        [
            new("a", "THE CAT SAT", "THE CUT SAT", "/x/19-198-0001.flac"),
            new("b", "THE CAT", "THE CUT", "/x/19-198-0002.flac"),
            new("c", "ONE TWO", "ONE TWO THREE", "/x/26-495-0001.flac"),
            new("d", "GO ON NOW", "GO NOW", "/x/26-495-0002.flac"),
            new("e", "YES", "YES", "/x/7-1-0.flac"),
        ]);
        Assert.Multiple(() =>
        {
            Assert.That(details.AreFolders, Is.False);
            Assert.That(details.BySpeaker.Select(speaker => $"{speaker.Name} {speaker.Rates.Wer:F0} {speaker.Rates.Utterances}"), Is.EqualTo(new[] { "19 40 2", "26 40 2", "7 0 1" }));
            Assert.That(details.Worst.Select(utterance => utterance.Transcript.Id), Is.EqualTo(new[] { "b", "c", "a", "d" }), "by rate, and none without errors");
            Assert.That(details.Words.Select(Text), Is.EqualTo(new[] { "2 CAT>CUT substitution", "1 >THREE insertion", "1 ON> deletion" }));
            Assert.That(details.Letters.Select(Text), Has.Some.EqualTo("2 A>U substitution").And.Some.EqualTo("2 >E insertion").And.Some.EqualTo("1 O> deletion"));
            Assert.That(details.Letters.Where(letter => letter.Said is null).Sum(letter => letter.Count), Is.EqualTo("THREE".Length));
        });
    }

    [Test]
    public void Of_AlphabetWithoutSpace_WordsAreLabels()
    {
        var details = ErrorDetails.Of([new("a", "A BA", "ABB", "/x/1.wav"), new("b", "B A", "BA", "/x/2.wav")], new Alphabet(["_", "A", "B"]));
        Assert.Multiple(() =>
        {
            Assert.That(details.Words.Select(Text), Is.EqualTo(new[] { "1 A>B substitution" }));
            Assert.That(details.Letters, Is.EqualTo(details.Words));
            Assert.That(details.BySpeaker.Select(speaker => (speaker.Rates.ReferenceWords, speaker.Rates.Wer)), Is.EqualTo(new[] { (5L, 20.0) }));
            Assert.That(details.Worst.Select(utterance => utterance.Transcript.Id), Is.EqualTo(new[] { "a" }), "a space that cannot be written is no error");
        });
    }

    /// <summary>All confusions together are all errors of the rates, whatever alignment was taken.</summary>
    [Test]
    public void Of_RandomTexts_HasAsManyErrorsAsTheRates()
    {
        var random = new Random(5);
        string Sentence() => string.Join(' ', Enumerable.Range(0, random.Next(12)).Select(_ => new[] { "A", "BE", "SEA", "\U0001F600", "DEE" }[random.Next(5)]));
        Transcript[] transcripts = [.. Enumerable.Range(0, 200).Select(i => new Transcript($"{i}", Sentence(), Sentence(), $"/corpus/{i % 3}/{i}.wav"))];
        var rates = new ErrorRates();
        foreach (Transcript transcript in transcripts)
            rates.Add(transcript.Reference, transcript.Hypothesis);
        var details = ErrorDetails.Of(transcripts);
        Assert.Multiple(() =>
        {
            Assert.That(details.Words.Sum(confusion => confusion.Count), Is.EqualTo(rates.WordErrors));
            Assert.That(details.Letters.Sum(confusion => confusion.Count), Is.EqualTo(rates.CharacterErrors));
            Assert.That(details.BySpeaker.Sum(speaker => speaker.Rates.WordErrors), Is.EqualTo(rates.WordErrors));
            Assert.That(details.BySpeaker.Select(speaker => speaker.Name), Is.EquivalentTo(new[] { "0", "1", "2" }));
            Assert.That(details.Words.Select(confusion => confusion.Count), Is.Ordered.Descending);
        });
    }

    [TestCase("/a/b/1.wav /a/b/2.wav", "b b")]
    [TestCase("/a/b/1.wav /a/c/d/2.wav /a/3.wav", "b c/d a")]
    [TestCase("/a/b/1.wav /a/bc/2.wav", "b bc")]
    [TestCase("/1.wav /x/2.wav", "/ x")]
    [TestCase("/a/19-2-3.wav /b/19-2-4.wav /b/26-2-4.flac", "19 19 26")]
    [TestCase("/a/19-2-3.wav /b/other.wav", "a b")]
    [TestCase("/a/fcaw/an406-fcaw-b.mfc /a/fcaw/an407-fcaw-b.mfc /a/mmxg/an391-mmxg-b.mfc", "fcaw fcaw mmxg")]
    [TestCase("/a/00001-anna.wav /a/00002-m-2.wav /a/3-anna.wav /b/4-m-2.wav", "anna m-2 anna m-2", Description = "a number and a name")]
    [TestCase("/a/anna_1.wav /a/m-2_1.wav /a/anna_2.wav /a/m-2_7.wav", "anna m-2 anna m-2", Description = "the other way round")]
    [TestCase("/a/1-anna.wav /b/2-anna.wav", "a b", Description = "one name is no speaker's")]
    [TestCase("/a/1-anna.wav /b/2-anna.wav /b/3-yes.wav", "a b b", Description = "nor is one that stands once")]
    [TestCase("/a/0_jackson_0.wav /a/0_jackson_1.wav /b/0_theo_0.wav /b/0_theo_1.wav", "a a b b", Description = "nor is a name with numbers at both ends")]
    [TestCase("/a/1-m-2.wav /b/2-m-2.wav /b/3-f-1.wav /b/4-f-1.wav", "a b b b")]
    [TestCase("/a/1-2.wav /b/2-2.wav /b/3-3.wav /b/4-3.wav", "a b b b", Description = "nor is a number")]
    [TestCase("", "")]
    public void SpeakerNames_AreLibriSpeechs_OrFolders(string paths, string names) =>
        Assert.That(string.Join(' ', SpeakerNames.OrFolders(paths.Split(' ', StringSplitOptions.RemoveEmptyEntries), out _)), Is.EqualTo(names));

    private static string Text(Confusion confusion) => $"{confusion.Count} {confusion.Said}>{confusion.Heard} {confusion.Kind}";
}
