using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Augment;

/// <summary>Masks random stretches of time and bands of rows in training features, so that no single frame or coefficient can be learnt by heart.</summary>
/// <remarks>
/// A mask's width is uniform in 0..its maximum, its place uniform; what it covers becomes 0, the mean of normalised features. The masks are a function of
/// (seed, epoch, utterance), so that a resumed run repeats them. Source: Park et al., "SpecAugment", arXiv:1904.08779, section 2 (without time warping).
/// </remarks>
/// <param name="TimeMasks">Masks over all rows of some frames.</param>
/// <param name="TimeWidth">The widest of them, in frames; at most a fifth of the utterance is covered by one.</param>
/// <param name="RowMasks">Masks over all frames of some rows.</param>
/// <param name="RowWidth">The widest of them, in rows.</param>
public readonly record struct SpecAugment(int TimeMasks = 0, int TimeWidth = 0, int RowMasks = 0, int RowWidth = 0)
{
    private const int LargestShare = 5;

    /// <summary>Whether it does anything.</summary>
    public bool IsOn => (TimeMasks > 0 && TimeWidth > 0) || (RowMasks > 0 && RowWidth > 0);

    /// <summary>A masked copy of an utterance's features.</summary>
    /// <param name="features">Normalised features; not changed.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="utterance">The utterance's index in its corpus.</param>
    public FeatureMatrix Apply(FeatureMatrix features, int seed, int epoch, int utterance)
    {
        ArgumentNullException.ThrowIfNull(features);
        var masked = features with { Values = (float[])features.Values.Clone() };
        var random = SplitMix64.For(seed, epoch, utterance);
        for (int i = 0; i < TimeMasks; i++)
        {
            (int start, int width) = Draw(ref random, Math.Min(TimeWidth, features.Frames / LargestShare), features.Frames);
            for (int row = 0; row < features.Rows; row++)
                masked.Row(row).Slice(start, width).Clear();
        }

        for (int i = 0; i < RowMasks; i++)
        {
            (int start, int width) = Draw(ref random, Math.Min(RowWidth, features.Rows), features.Rows);
            for (int row = start; row < start + width; row++)
                masked.Row(row).Clear();
        }

        return masked;
    }

    private static (int Start, int Width) Draw(ref SplitMix64 random, int widest, int size)
    {
        int width = random.Next(widest + 1);
        return (random.Next(size - width + 1), width);
    }
}
