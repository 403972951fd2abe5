using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Recognition.Long;

namespace Ds2.Tests.Recognition.Long;

/// <summary>Pieces that overlap give each word once.</summary>
public sealed class StitchingTests
{
    /// <summary>A word a second; pieces of half a minute with four seconds in common, each of which spoils the word that its edge cuts, and hears times a little differently.</summary>
    [Test]
    public void Overlap_LosesNoWordAndDoublesNone([Range(0, 9)] int shift)
    {
        string[] said = [.. Enumerable.Range(0, 100).Select(i => "W" + i % 4)];
        var pieces = new List<PieceText>();
        for (double start = 0; start < 96; start += 26)
            pieces.Add(Hear(said, start, Math.Min(100.5, start + 30), shift / 10.0, start > 0));
        Assert.That(string.Join(" ", Stitching.Join(pieces, " ").Select(segment => segment.Text)), Is.EqualTo(string.Join(" ", said)));
    }

    [Test]
    public void Overlap_WithoutACommonWord_IsCutInItsWidestGap()
    {
        PieceText left = Piece(0, 10, false, ("A", 1), ("B", 6.2), ("C", 8.9)), right = Piece(6, 16, true, ("X", 6.3), ("Y", 8.8), ("D", 12));
        Assert.That(Stitching.Join([left, right], " ").Select(segment => segment.Text), Is.EqualTo(new[] { "A B", "Y D" }));
    }

    [Test]
    public void Pauses_LeaveTextsAsTheyAre()
    {
        IReadOnlyList<Segment> segments = Stitching.Join([Piece(0, 5, false) with { Text = "A  B" }, Piece(5, 9, false) with { Text = " " }, Piece(9, 12, false) with { Text = "C" }], " ");
        Assert.That(segments.Select(segment => (segment.Text, segment.Start, segment.End)), Is.EqualTo(new[] { ("A  B", 0.0, 5.0), ("C", 9.0, 12.0) }));
    }

    private static PieceText Hear(string[] said, double start, double end, double shift, bool overlaps)
    {
        var words = new List<(string, double)>();
        for (int i = 0; i < said.Length; i++)
        {
            double at = i + shift;
            if (at + 0.4 > start && at < end)
                words.Add((at < start || at + 0.4 > end ? "CUT" : said[i], at + (overlaps ? 0.06 : 0)));
        }
        return Piece(start, end, overlaps, [.. words]);
    }

    private static PieceText Piece(double start, double end, bool overlaps, params (string Word, double Start)[] words) => new(
        start, end, overlaps, string.Join(" ", words.Select(word => word.Word)), [.. words.Select(word => new TimedWord(word.Word, word.Start, word.Start + 0.4))], []);
}
