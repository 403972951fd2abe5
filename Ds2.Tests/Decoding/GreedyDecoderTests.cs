using Ds2.Runtime.Decoding;
using Ds2.Runtime.Text;

namespace Ds2.Tests.Decoding;

public sealed class GreedyDecoderTests
{
    private static readonly GreedyDecoder Decoder = new(Alphabet.English);

    /// <summary>Logits whose best labels spell the paths, <c>_</c> being blank; one path an utterance.</summary>
    private static float[] Logits(params string[] paths)
    {
        int frames = paths[0].Length, labels = Alphabet.English.Size;
        var logits = new float[frames * paths.Length * labels];
        for (int n = 0; n < paths.Length; n++)
        {
            for (int t = 0; t < frames; t++)
            {
                int label = paths[n][t] == '_' ? 0 : Alphabet.English.Encode(paths[n][t].ToString())[0];
                logits[(t * paths.Length + n) * labels + label] = 1;
            }
        }
        return logits;
    }

    [TestCase("", "")]
    [TestCase("____", "")]
    [TestCase("AAAA", "A")]
    [TestCase("A_A_", "AA")]
    [TestCase("_HH_E_LL_LLO_", "HELLO")]
    [TestCase("I'M__  _OK", "I'M OK")]
    [TestCase("A  _ B", "A  B")]
    public void Decode_OneUtterance(string path, string text) =>
        Assert.That(Decoder.Decode(Logits(path), path.Length, 1, [path.Length]), Is.EqualTo(new[] { text }));

    [Test]
    public void Decode_BatchLooksAtEachUtterancesOwnFrames() =>
        Assert.That(Decoder.Decode(Logits("ABCD", "EFGH", "IJKL"), 4, 3, [4, 2, 0]), Is.EqualTo(new[] { "ABCD", "EF", "" }));

    [Test]
    public void Decode_TiesAndNaN_TakeTheLowestLabel()
    {
        var logits = new float[29 * 2];
        logits.AsSpan(29).Fill(float.NaN);
        Assert.That(Decoder.Decode(logits, 2, 1, [2]), Is.EqualTo(new[] { "" }));
    }

    [Test]
    public void Decode_WrongSizes_AreRefused()
    {
        Assert.That(() => Decoder.Decode(new float[28], 1, 1, [1]), Throws.ArgumentException);
        Assert.That(() => Decoder.Decode(new float[29], 1, 1, [1, 1]), Throws.ArgumentException);
        Assert.That(() => Decoder.Decode(new float[29], 1, 1, [2]), Throws.ArgumentException);
    }
}
