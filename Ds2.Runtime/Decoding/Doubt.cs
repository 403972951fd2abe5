using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Ds2.Runtime.Decoding;

/// <summary>How much a model doubts what it hears, and what a search that has a language model too makes of that: a temperature for the logits.</summary>
/// <remarks>
/// A network that errs more is in more doubt, but not in as much as it should be (Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017). A voice that it does not know has up to twice the
/// entropy of one that it knows, and four times the errors in its letters: what it is sure of is wrong, too, and the language model is not heard. So the logits of a doubtful utterance are divided by more than 1,
/// all of them, and the blank's lowered, as what is in doubt is rather left out than put in. Doubt is the mean entropy of the frames in which a label is likelier than the blank, in nats;
/// a few frames as they are in a voice that the model knows count with it, so that a word or two tell little.
/// <code>
/// T = min(Most, 1 + Slope max(0, doubt - Usual))
/// </code>
/// </remarks>
internal struct Doubt
{
    /// <summary>The doubt at which nothing changes: a little below what a trained model is in with most utterances of its training's voices (0.2 nats).</summary>
    private const double Usual = 0.15;

    /// <summary>Frames of that which count beside those that are heard.</summary>
    private const int Prior = 5;

    private const double Slope = 5, Most = 2.3;

    /// <summary>What the blank's logit is lowered by for each unit that the temperature is above 1.</summary>
    private const double BlankBias = 1;

    /// <summary>Frames after which what was heard counts half: a stream has other voices later.</summary>
    private const int Memory = 3000;

    private double entropy;
    private int frames;

    /// <summary>What logits are divided by.</summary>
    public readonly double Temperature => Math.Min(Most, 1 + Slope * Math.Max(0, (entropy + Prior * Usual) / (frames + Prior) - Usual));

    /// <summary>What the blank's logit is lowered by before, at a temperature.</summary>
    public static double BlankPenalty(double temperature) => BlankBias * Math.Max(0, temperature - 1);

    /// <summary>Takes a frame.</summary>
    /// <param name="logits">[C], the blank's first. NaN counts as -inf; a frame that has +inf, or nothing else, is one without doubt.</param>
    public void Add(ReadOnlySpan<float> logits)
    {
        float largest = LogitFrame.Largest(logits);
        if (float.IsInfinity(largest))
            return;
        float sum = 0, weighted = 0;
        int i = 0;
        Vector256<float> shift = Vector256.Create(largest), sums = Vector256<float>.Zero, products = sums;
        foreach (Vector256<float> block in MemoryMarshal.Cast<float, Vector256<float>>(logits))
        {
            Vector256<float> x = block - shift, e = Vector256.Exp(x);
            Vector256<float> counts = Vector256.GreaterThan(e, Vector256<float>.Zero);
            sums += e & counts;
            products += (e * x) & counts;
            i += Vector256<float>.Count;
        }

        (sum, weighted) = (Vector256.Sum(sums), Vector256.Sum(products));
        for (; i < logits.Length; i++)
        {
            float x = logits[i] - largest, e = MathF.Exp(x);
            if (e > 0)
                (sum, weighted) = (sum + e, weighted + e * x);
        }

        // A blank says little of whether the labels around it were heard well.
        if (MathF.Exp(logits[0] - largest) >= 0.5f * sum)
            return;
        entropy += Math.Log(sum) - weighted / sum;
        if (++frames >= Memory)
            (entropy, frames) = (entropy / 2, frames / 2);
    }
}
