using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Ds2.Runtime.Decoding;

/// <summary>The softmax of one frame's logits, and its labels from the most probable down.</summary>
/// <remarks>A NaN is never heard: it counts as -inf, as it never wins with <see cref="GreedyDecoder"/>. Logits of +inf share the frame. A frame of nothing but NaN and -inf is a blank.</remarks>
/// <param name="labels">Labels, the blank being 0.</param>
/// <param name="minimum">A label less probable than this is not among <see cref="Extending"/>, the most probable one apart.</param>
internal sealed class LabelProbabilities(int labels, double minimum)
{
    /// <summary>Logits, and -inf up to a whole register.</summary>
    private readonly float[] padded = Padded(labels);

    private readonly float[] exponentials = new float[Padded(labels).Length];
    private readonly double[] probabilities = new double[labels];
    private readonly long[] order = new long[labels];
    private int extending;
    private float inverseTemperature = 1, blankPenalty;

    /// <summary>What logits are divided by from the next frame on, the blank's lowered by <see cref="Doubt.BlankPenalty"/> before; 1 leaves them as they are.</summary>
    public double Temperature
    {
        set => (inverseTemperature, blankPenalty) = ((float)(1 / value), (float)Doubt.BlankPenalty(value));
    }

    /// <summary>[labels], the probability of each.</summary>
    public ReadOnlySpan<double> All => probabilities;

    /// <summary>The labels that may extend a prefix, the blank not among them: see <see cref="Label"/>.</summary>
    public ReadOnlySpan<long> Extending => order.AsSpan(0, extending);

    /// <summary>The label of an element of <see cref="Extending"/>.</summary>
    public static int Label(long element) => (int)(element & int.MaxValue);

    /// <summary>Takes a frame.</summary>
    /// <param name="logits">[labels].</param>
    public void Read(ReadOnlySpan<float> logits)
    {
        logits.CopyTo(padded);
        padded[0] -= blankPenalty;
        float largest = LogitFrame.Largest(padded.AsSpan(0, labels));
        if (float.IsInfinity(largest))
            ReadInfinite(logits, largest);
        else
            Exponentiate(largest);
        double sum = 0;
        for (int label = 0; label < labels; label++)
            sum += exponentials[label];
        double inverse = 1 / sum;
        extending = 0;
        for (int label = 0; label < labels; label++)
        {
            float exponential = exponentials[label];
            double probability = exponential * inverse;
            probabilities[label] = probability;

            // The bits of positive numbers are in their order; the label below them decides between equals. e^0 = 1 is the largest.
            if (label > 0 && exponential > 0 && (probability >= minimum || exponential == 1))
                order[extending++] = ((long)(int.MaxValue - BitConverter.SingleToInt32Bits(exponential)) << 32) | (uint)label;
        }

        order.AsSpan(0, extending).Sort();
    }

    /// <summary>The probability of a label in the frame that was read, at a temperature of 1: what was heard, however much it is to count.</summary>
    /// <param name="logits">The frame.</param>
    /// <param name="label">The label.</param>
    public double Heard(ReadOnlySpan<float> logits, int label)
    {
        float largest = LogitFrame.Largest(logits);
        if (inverseTemperature == 1 || float.IsInfinity(largest) || float.IsNaN(logits[label]))
            return probabilities[label];
        double sum = 0;
        foreach (float logit in logits)
            sum += float.IsNaN(logit) ? 0 : Math.Exp(logit - largest);
        return Math.Exp(logits[label] - largest) / sum;
    }

    private static float[] Padded(int labels)
    {
        var padded = new float[(int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(labels, Vector256<float>.Count))];
        padded.AsSpan().Fill(float.NegativeInfinity);
        return padded;
    }

    private void Exponentiate(float largest)
    {
        Vector256<float> shift = Vector256.Create(largest), scale = Vector256.Create(inverseTemperature);
        Span<Vector256<float>> from = MemoryMarshal.Cast<float, Vector256<float>>(padded.AsSpan()), to = MemoryMarshal.Cast<float, Vector256<float>>(exponentials.AsSpan());
        for (int i = 0; i < from.Length; i++)
        {
            Vector256<float> x = from[i];
            to[i] = Vector256.ConditionalSelect(Vector256.Equals(x, x), Vector256.Exp((x - shift) * scale), Vector256<float>.Zero);
        }
    }

    private void ReadInfinite(ReadOnlySpan<float> logits, float largest)
    {
        for (int label = 0; label < labels; label++)
            exponentials[label] = largest > 0 && logits[label] == largest ? 1 : 0;
        if (largest < 0)
            exponentials[0] = 1;
    }
}
