using Ds2.Runtime.Decoding;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

public sealed class BeamSearchTests
{
    /// <summary>As wide as any tree here, nothing pruned.</summary>
    internal static readonly BeamOptions Everything = new() { Width = 4000, Margin = double.PositiveInfinity, MinLabelProbability = 0 };

    private static readonly Alphabet Letters = new(["_", "A", "B", " "]);

    /// <summary>Labels of which none is the beginning of another's text, so that different labels are different texts.</summary>
    private static readonly Alphabet Groups = new(["_", "CH", "É", "X"]);

    [TestCase(1, 1.0)]
    [TestCase(3, 0.0)]
    [TestCase(5, 2.0)]
    [TestCase(6, 6.0)]
    public void Best_OfABeamAsWideAsTheTree_IsBruteForces(int frames, double scale)
    {
        foreach (Alphabet alphabet in new[] { Letters, Groups })
        {
            for (int seed = 0; seed < 3; seed++)
            {
                float[] logits = BruteForce.Logits(new Random(seed), frames, alphabet.Size, scale);
                Dictionary<string, double> expected = BruteForce.Probabilities(logits, frames, alphabet);
                IReadOnlyList<Hypothesis> found = new BeamDecoder(alphabet, Everything).Best(logits, frames, int.MaxValue);
                Assert.That(found.Select(hypothesis => hypothesis.Text), Is.EquivalentTo(expected.Keys));
                foreach (Hypothesis hypothesis in found)
                    Assert.That(hypothesis.LogProbability, Is.EqualTo(Math.Log(expected[hypothesis.Text])).Within(Tolerances.LogProbability(frames)), hypothesis.Text);
                Assert.That(found.Select(hypothesis => hypothesis.Score), Is.Ordered.Descending);
                Assert.That(found.Sum(hypothesis => Math.Exp(hypothesis.Score)), Is.EqualTo(1).Within(1e-6));
            }
        }
    }

    [Test]
    public void Best_OfEqualScores_IsTheTextThatComesFirst()
    {
        // One frame, all labels alike: an empty text, then the labels in the alphabet's order; and a beam of two has room for no other.
        float[] alike = new float[4];
        Assert.That(new BeamDecoder(Letters, Everything).Best(alike, 1, 9).Select(hypothesis => hypothesis.Text), Is.EqualTo(new[] { "", "A", "B", " " }));
        Assert.That(new BeamDecoder(Letters, Everything with { Width = 2 }).Best(alike, 1, 9).Select(hypothesis => hypothesis.Text), Is.EqualTo(new[] { "", "A" }));
    }

    [Test]
    public void Best_TakesTheTextAboveTheBestPath()
    {
        // Graves' case: the best path is all blanks (0.36), and yet A is likelier (0.64).
        float[] logits = [MathF.Log(0.6f), MathF.Log(0.4f), MathF.Log(1e-9f), MathF.Log(1e-9f), MathF.Log(0.6f), MathF.Log(0.4f), MathF.Log(1e-9f), MathF.Log(1e-9f)];
        Assert.That(new GreedyDecoder(Letters).Decode(logits, 2, 1, [2]), Is.EqualTo(new[] { "" }));
        Hypothesis best = new BeamDecoder(Letters).Best(logits, 2, 1)[0];
        Assert.That((best.Text, Math.Exp(best.LogProbability)), Is.EqualTo(("A", 0.64)).Using<(string, double)>((one, other) => one.Item1 == other.Item1 && Math.Abs(one.Item2 - other.Item2) < 1e-6));
    }

    [Test]
    public void Best_OfNoFrames_IsTheEmptyText()
    {
        Hypothesis only = new BeamDecoder(Letters).Best([], 0, 5).Single();
        Assert.That(only, Is.EqualTo(new Hypothesis("", 0, 0, 0, 0, 0, 0)));
    }

    [Test]
    public void Best_OfLogitsThatAreNoNumbers_IsAsGreedyHasIt()
    {
        const float nan = float.NaN, low = float.NegativeInfinity, high = float.PositiveInfinity;
        float[] logits = [nan, 3, nan, 1, low, low, low, low, nan, nan, nan, nan, 0, high, 0, nan, low, low, 5, low];
        Assert.That(new GreedyDecoder(Letters).Decode(logits, 5, 1, [5]), Is.EqualTo(new[] { "AAB" }));
        foreach (BeamOptions options in new[] { Everything, new BeamOptions(), new BeamOptions { Width = 1 } })
            Assert.That(new BeamDecoder(Letters, options).Best(logits, 5, 1)[0].Text, Is.EqualTo("AAB"));
    }

    [Test]
    public void Advance_InPieces_IsTheSame()
    {
        var random = new Random(3);
        float[] logits = BruteForce.Logits(random, 40, Alphabet.English.Size, 8);
        var options = new BeamOptions { Width = 20 };
        IReadOnlyList<Hypothesis> whole = new BeamDecoder(Alphabet.English, options).Best(logits, 40, 20);
        var search = new BeamSearch(Alphabet.English, options);
        for (int round = 0; round < 2; round++)
        {
            for (int t = 0; t < 40;)
            {
                int frames = Math.Min(random.Next(0, 7), 40 - t);
                search.Advance(logits.AsSpan(t * Alphabet.English.Size, frames * Alphabet.English.Size), frames);
                t += frames;
                Assert.That(search.Frames, Is.EqualTo(t));
                Assert.That(search.Best(3), Has.Count.InRange(1, 3));
            }

            // The search is as new after an utterance's end.
            Assert.That(search.Finish(20), Is.EqualTo(whole));
        }
    }

    [Test]
    public void Decode_BatchLooksAtEachUtterancesOwnFrames()
    {
        float[] batch = BruteForce.Logits(new Random(4), 6 * 3, Letters.Size, 4);
        string[] texts = new BeamDecoder(Letters).Decode(batch, 6, 3, [6, 2, 0]);
        for (int i = 0; i < 3; i++)
        {
            int frames = new[] { 6, 2, 0 }[i];
            float[] own = [.. Enumerable.Range(0, frames).SelectMany(t => batch.Skip((t * 3 + i) * Letters.Size).Take(Letters.Size))];
            Assert.That(texts[i], Is.EqualTo(new BeamDecoder(Letters).Best(own, frames, 1)[0].Text));
        }
    }

    [Test]
    public void Decode_WrongSizes_AreRefused()
    {
        var decoder = new BeamDecoder(Letters);
        Assert.That(() => decoder.Decode(new float[3], 1, 1, [1]), Throws.ArgumentException);
        Assert.That(() => decoder.Decode(new float[4], 1, 1, [1, 1]), Throws.ArgumentException);
        Assert.That(() => decoder.Decode(new float[4], 1, 1, [2]), Throws.ArgumentException);
        Assert.That(() => decoder.Best(new float[4], 2, 1), Throws.ArgumentException);
        Assert.That(() => new BeamDecoder(Letters, new BeamOptions { Width = 0 }), Throws.ArgumentException);
        Assert.That(() => new BeamDecoder(Letters, new BeamOptions { Margin = double.NaN }), Throws.ArgumentException);
    }

    /// <summary>The defaults prune, and lose nothing that matters: the best text is the one that is found with nothing pruned.</summary>
    [Test]
    public void Best_OfTheDefaults_IsThatOfAWideBeam()
    {
        for (int seed = 0; seed < 5; seed++)
        {
            float[] logits = Speech.Logits(new Random(seed), 150, Alphabet.English);
            Hypothesis narrow = new BeamDecoder(Alphabet.English).Best(logits, 150, 1)[0];
            Hypothesis wide = new BeamDecoder(Alphabet.English, Everything with { Width = 1000 }).Best(logits, 150, 1)[0];
            Assert.That(narrow.Text, Is.EqualTo(wide.Text));
            Assert.That(narrow.LogProbability, Is.EqualTo(wide.LogProbability).Within(0.05));
        }
    }

    [Test]
    public void Advance_InASteadyState_AllocatesNothing()
    {
        float[] logits = Speech.Logits(new Random(1), 400, Alphabet.English);
        var search = new BeamSearch(Alphabet.English, hotWords: new HotWords(Alphabet.English, [new HotWord("SOME WORDS", 5), new HotWord("OTHERS", 3)]));
        search.Advance(logits, 400);
        search.Reset();
        long before = GC.GetAllocatedBytesForCurrentThread();
        search.Advance(logits, 400);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
