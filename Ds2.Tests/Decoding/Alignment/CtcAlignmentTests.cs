using Ds2.Runtime.Decoding;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding.Alignment;

/// <summary>The best path of a text, held against all paths there are, and the times of its words.</summary>
public sealed class CtcAlignmentTests
{
    private static readonly int[][] Texts = [[1], [2, 1], [1, 1], [1, 2, 1], [2, 2, 1], [1, 1, 1], [1, 2, 2, 1]];

    [Test]
    public void Align_IsTheBestOfAllPaths([Range(1, 7)] int frames, [Values(1, 2, 3)] int seed)
    {
        Logits logits = Random(frames, 3, seed);
        foreach (int[] text in Texts)
        {
            (double score, LabelSpan[]? expected) = BruteForce(logits, text);
            LabelSpan[]? spans = CtcAlignment.Align(logits, text);
            Assert.That(spans is null, Is.EqualTo(double.IsNegativeInfinity(score)), string.Join(" ", text));
            Assert.That(spans, Is.EqualTo(expected), string.Join(" ", text));
        }
    }

    [Test]
    public void Align_NoText_HasNoSpans() => Assert.That(CtcAlignment.Align(Random(4, 3, 1), []), Is.Empty);

    [Test]
    public void Align_LongerThanTheFrames_IsNull()
    {
        Assert.That(CtcAlignment.Align(Random(3, 3, 1), [1, 2, 1, 2]), Is.Null);
        Assert.That(CtcAlignment.Align(Random(3, 3, 1), [1, 1, 2]), Is.Null, "a blank must stand between the two");
        Assert.That(CtcAlignment.Align(Random(0, 3, 1), [1]), Is.Null);
    }

    [Test]
    public void Align_ImpossibleLabel_IsNull()
    {
        Logits logits = Random(3, 3, 1);
        for (int frame = 0; frame < 3; frame++)
            logits.Values[frame * 3 + 2] = frame == 1 ? float.NaN : float.NegativeInfinity;
        Assert.That(CtcAlignment.Align(logits, [2]), Is.Null);
        Assert.That(CtcAlignment.Align(logits, [1]), Is.Not.Null);
    }

    [Test]
    public void Align_LabelThatIsNone_Throws()
    {
        Assert.That(() => CtcAlignment.Align(Random(3, 3, 1), [3]), Throws.ArgumentException);
        Assert.That(() => CtcAlignment.Align(Random(3, 3, 1), [0]), Throws.ArgumentException);
    }

    /// <summary>A half hour's piece: the table is a few megabytes, and the spans lie where the peaks are.</summary>
    [Test]
    public void Align_Peaks_AreFound()
    {
        var logits = new Logits(new float[1500 * 29], 1500, 29);
        int[] text = [.. Enumerable.Range(0, 300).Select(i => 1 + i * 7 % 28)];
        for (int frame = 0; frame < 1500; frame++)
            logits.Values[frame * 29 + (frame % 5 == 2 ? text[frame / 5] : 0)] = 9;
        Assert.That(CtcAlignment.Align(logits, text), Is.EqualTo(Enumerable.Range(0, 300).Select(i => new LabelSpan(5 * i + 2, 5 * i + 2))));
    }

    [Test]
    public void Words_LastFromTheirFirstLabelToTheirLast()
    {
        var aligner = new WordAligner(Alphabet.English, new FrameTimes(0.15, 0.02));
        // _ A _ B _ space space C C _
        Logits logits = Path("_A_B_  CC_");
        Assert.That(
            aligner.Align(logits, "AB C").Select(word => (word.Text, Math.Round(word.Start, 6), Math.Round(word.End, 6))),
            Is.EqualTo(new[] { ("AB", 0.16, 0.22), ("C", 0.28, 0.32) }));
        Assert.That(aligner.Align(logits, ""), Is.Empty);
        Assert.That(aligner.Align(logits, " AB  C ").Select(word => word.Text), Is.EqualTo(new[] { "AB", "C" }));
    }

    [Test]
    public void Words_OfATextThatDoesNotFit_ShareTheFrames()
    {
        var aligner = new WordAligner(Alphabet.English, new FrameTimes(0, 1));
        IReadOnlyList<TimedWord> words = aligner.Align(Path("__"), "AB CD");
        Assert.That(words.Select(word => word.Text), Is.EqualTo(new[] { "AB", "CD" }));
        Assert.That(words[0].Start, Is.LessThan(words[1].End));
    }

    [Test]
    public void Words_WithoutASpaceInTheAlphabet_AreItsLabels()
    {
        var aligner = new WordAligner(new Alphabet(["_", "天", "地"]), new FrameTimes(0, 1));
        var logits = new Logits([9, 0, 0, 0, 9, 0, 0, 0, 9], 3, 3);
        Assert.That(aligner.Align(logits, "天地").Select(word => (word.Text, word.Start, word.End)), Is.EqualTo(new[] { ("天", 0.5, 1.5), ("地", 1.5, 2.5) }));
        Assert.That(aligner.Separator, Is.Empty);
    }

    /// <summary>Logits whose best path writes this, a character a frame.</summary>
    internal static Logits Path(string path)
    {
        int classes = Alphabet.English.Size;
        var logits = new Logits(new float[path.Length * classes], path.Length, classes);
        for (int frame = 0; frame < path.Length; frame++)
            logits.Values[frame * classes + (path[frame] == '_' ? 0 : Alphabet.English.Encode(path[frame].ToString())[0])] = 12;
        return logits;
    }

    private static Logits Random(int frames, int classes, int seed)
    {
        var random = new Random(seed);
        return new Logits([.. Enumerable.Range(0, frames * classes).Select(_ => (float)random.NextDouble() * 4)], frames, classes);
    }

    private static (double Score, LabelSpan[]? Spans) BruteForce(Logits logits, int[] text)
    {
        (double Score, LabelSpan[]? Spans) best = (double.NegativeInfinity, null);
        var path = new int[logits.Frames];
        for (int code = 0; code < Math.Pow(logits.Classes, logits.Frames); code++)
        {
            double score = 0;
            for (int frame = 0, rest = code; frame < path.Length; frame++, rest /= logits.Classes)
                score += logits.Row(frame)[path[frame] = rest % logits.Classes];
            List<(int Label, LabelSpan Span)> read = Read(path);
            if (score > best.Score && read.Select(item => item.Label).SequenceEqual(text))
                best = (score, [.. read.Select(item => item.Span)]);
        }
        return best;
    }

    private static List<(int Label, LabelSpan Span)> Read(int[] path)
    {
        var read = new List<(int Label, LabelSpan Span)>();
        for (int frame = 0; frame < path.Length; frame++)
        {
            if (path[frame] == 0)
                continue;
            if (frame > 0 && path[frame] == path[frame - 1])
                read[^1] = (path[frame], read[^1].Span with { Last = frame });
            else
                read.Add((path[frame], new LabelSpan(frame, frame)));
        }
        return read;
    }
}
