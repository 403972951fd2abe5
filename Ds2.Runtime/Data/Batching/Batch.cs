using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Utterances that go through the model together.</summary>
public sealed class Batch
{
    internal Batch(int index, IReadOnlyList<Utterance> utterances, IReadOnlyList<FeatureMatrix> features)
    {
        Index = index;
        Utterances = utterances;
        Rows = features[0].Rows;
        Frames = [.. features.Select(f => f.Frames)];
        MaxFrames = Frames.Max();
        AudioSeconds = utterances.Sum(u => u.Seconds);
        Features = Pad(features, Rows, MaxFrames);
    }

    /// <summary>Place in the epoch, from 0.</summary>
    public int Index { get; }

    /// <summary>The N utterances.</summary>
    public IReadOnlyList<Utterance> Utterances { get; }

    /// <summary>Height of the features.</summary>
    public int Rows { get; }

    /// <summary>Frames of the longest utterance.</summary>
    public int MaxFrames { get; }

    /// <summary>[N], frames of each utterance.</summary>
    public int[] Frames { get; }

    /// <summary>[N, 1, Rows, MaxFrames], normalised per utterance, zero from each utterance's end on. The receiver's own: never written again.</summary>
    public float[] Features { get; }

    /// <summary>Length of the recordings together, without padding.</summary>
    public double AudioSeconds { get; }

    private static float[] Pad(IReadOnlyList<FeatureMatrix> features, int rows, int maxFrames)
    {
        // Every element is written below, so the array need not be cleared first.
        float[] values = GC.AllocateUninitializedArray<float>(checked(features.Count * rows * maxFrames));
        for (int n = 0; n < features.Count; n++)
        {
            for (int row = 0; row < rows; row++)
            {
                Span<float> target = values.AsSpan((n * rows + row) * maxFrames, maxFrames);
                Span<float> source = features[n].Row(row);
                source.CopyTo(target);
                target[source.Length..].Clear();
            }
        }
        return values;
    }
}
