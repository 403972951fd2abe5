using Ds2.Runtime.Data;
using Ds2.Runtime.Recognition.Long;

namespace Ds2.Tests.Recognition.Long;

/// <summary>Where recordings are cut: levels in, pieces out.</summary>
public sealed class PieceCutterTests
{
    private const float Speech = -20, Silence = -60;

    [Test]
    public void HalfAMinute_IsOnePiece() =>
        Assert.That(Cut(Levels((500, Speech), (100, Silence), (2400, Speech))), Is.EqualTo(new[] { new Piece(0, 3000, false) }));

    /// <summary>Every frame of speech lies in exactly one piece, and no piece is longer than half a minute.</summary>
    [Test]
    public void Pauses_AreWhereItIsCut([Values(20, 45, 200)] int pause, [Values(150, 700, 1400)] int speech)
    {
        float[] levels = Levels([.. Enumerable.Repeat(new[] { (speech, Speech), (pause, Silence) }, 9000 / (speech + pause) + 1).SelectMany(part => part)]);
        Piece[] pieces = Cut(levels);
        Assert.That(pieces, Has.Length.GreaterThan(1));
        Assert.That(pieces.Any(piece => piece.Overlaps), Is.False);
        Assert.That(pieces.All(piece => piece.End - piece.Start <= PieceCutter.MostFrames));
        for (int t = 0; t < levels.Length; t++)
            Assert.That(pieces.Count(piece => t >= piece.Start && t < piece.End), levels[t] == Speech ? Is.EqualTo(1) : Is.LessThanOrEqualTo(1), $"frame {t}");
    }

    [Test]
    public void NoPause_Overlaps()
    {
        float[] levels = [.. Enumerable.Range(0, 8000).Select(t => Speech + t % 7)];
        Piece[] pieces = Cut(levels);
        Assert.That(pieces[0], Is.EqualTo(new Piece(0, PieceCutter.MostFrames, false)));
        Assert.That(pieces[1], Is.EqualTo(new Piece(PieceCutter.MostFrames - PieceCutter.Overlap, 2L * PieceCutter.MostFrames - PieceCutter.Overlap, true)));
        Assert.That(pieces[^1].End, Is.EqualTo(8000));
    }

    [Test]
    public void Silence_BelongsToNoPiece()
    {
        Piece[] pieces = Cut(Levels((1000, Silence), (300, Speech), (9000, Silence), (300, Speech), (1000, Silence)));
        Assert.That(pieces.Count(piece => piece.Start <= 1000 && piece.End >= 1300), Is.EqualTo(1));
        Assert.That(pieces.Count(piece => piece.Start <= 10300 && piece.End >= 10600), Is.EqualTo(1));
        Assert.That(pieces.Sum(piece => piece.End - piece.Start), Is.LessThan(700));
    }

    /// <summary>Pieces are as long as what the model was trained on where short pauses leave the choice, and end at long pauses whatever their length.</summary>
    [Test]
    public void Pieces_AreLikeTheModelsUtterances([Values(2, 6, 12)] double typical)
    {
        Piece[] words = Cut(Levels([.. Enumerable.Repeat(new[] { (40, Speech), (8, PieceCutter.Digital) }, 200).SelectMany(part => part)]), typical);
        double[] lengths = [.. words.SkipLast(1).Select(piece => (piece.End - piece.Start) / 100.0)];
        Assert.That(lengths, Has.All.InRange(0.6 * typical, 2 * typical));
        Piece[] utterances = Cut(Levels([.. Enumerable.Repeat(new[] { (150, Speech), (8, PieceCutter.Digital), (250, Speech), (60, PieceCutter.Digital) }, 20).SelectMany(part => part)]), typical);
        Assert.That(utterances, Has.Length.EqualTo(20));
    }

    /// <summary>What a room gives belongs to the utterance, up to the digital silence that was put between: silence that is a tenth of it digital is cut there.</summary>
    [Test]
    public void DigitalSilence_IsWhereItIsCut()
    {
        Piece[] pieces = Cut(Levels([.. Enumerable.Repeat(new[] { (25, Silence), (400, Speech), (35, Silence), (40, PieceCutter.Digital) }, 10).SelectMany(part => part)]));
        Assert.That(pieces, Has.Length.EqualTo(10));
        for (int i = 1; i < 9; i++)
            Assert.That(pieces[i], Is.EqualTo(new Piece(500 * i - 10, 500 * i + 470, false)));
    }

    /// <summary>Of silence that goes on beyond the window, a piece has no more than of any other.</summary>
    [Test]
    public void EndlessSilence_EndsAPiece()
    {
        Piece[] pieces = Cut(Levels((300, Speech), (9000, Silence), (300, Speech)));
        Assert.That(pieces.Select(piece => piece.End - piece.Start), Has.All.LessThan(400));
    }

    /// <summary>It knows as soon as it can: what it holds does not grow.</summary>
    [Test]
    public void Pieces_DoNotDependOnHowLevelsCome()
    {
        float[] levels = Levels([.. Enumerable.Repeat(new[] { (900, Speech), (50, Silence) }, 10).SelectMany(part => part)]);
        var cutter = new PieceCutter();
        var pieces = new List<Piece>();
        for (int t = 0; t < levels.Length; t++)
        {
            cutter.Add([levels[t]]);
            while (cutter.TryNext(ended: false, out Piece piece))
                pieces.Add(piece);
            Assert.That(t - cutter.Start, Is.LessThanOrEqualTo(PieceCutter.MostFrames));
        }
        while (cutter.TryNext(ended: true, out Piece piece))
            pieces.Add(piece);
        Assert.That(pieces, Is.EqualTo(Cut(levels)));
    }

    /// <summary>Pauses of all lengths, also over the half minute's end, rooms of all levels, digital silence.</summary>
    [Test]
    public void Pieces_OfAnything_DoNotDependOnTheBlocks([Range(1, 12)] int seed)
    {
        var random = new Random(seed);
        float[] levels = Levels([.. Enumerable.Range(0, 60).Select(i => i % 2 == 0
            ? (random.Next(10, seed % 3 == 0 ? 3500 : 900), Speech + random.Next(-6, 6)) : (random.Next(1, seed % 4 == 0 ? 4000 : 90), random.Next(3) == 0 ? PieceCutter.Digital : Silence + random.Next(4)))]);
        Piece[] whole = Cut(levels, typical: 3);
        foreach (int block in (int[])[1, 51, 102, 977])
        {
            var cutter = new PieceCutter(new TypicalUtterance(3, null));
            var pieces = new List<Piece>();
            for (int at = 0; at < levels.Length; at += block)
            {
                cutter.Add(levels.AsSpan(at, Math.Min(block, levels.Length - at)));
                while (cutter.TryNext(ended: false, out Piece piece))
                    pieces.Add(piece);
            }

            while (cutter.TryNext(ended: true, out Piece piece))
                pieces.Add(piece);
            Assert.That(pieces, Is.EqualTo(whole), $"blocks of {block} frames");
        }
    }

    private static float[] Levels(params (int Frames, float Level)[] parts) => [.. parts.SelectMany(part => Enumerable.Repeat(part.Level, part.Frames))];

    private static Piece[] Cut(float[] levels, double? typical = null)
    {
        var cutter = new PieceCutter(typical is { } seconds ? new TypicalUtterance(seconds, null) : null);
        cutter.Add(levels);
        var pieces = new List<Piece>();
        while (cutter.TryNext(ended: true, out Piece piece))
            pieces.Add(piece);
        return [.. pieces];
    }
}
