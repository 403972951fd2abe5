using Ds2.Runtime.Features;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Utterances that go through the model together.</summary>
public sealed class Batch
{
    private readonly BatchMemory memory;
    private readonly int length;
    private float[]? values;

    internal Batch(int index, StepPart part, IReadOnlyList<Utterance> utterances, IReadOnlyList<FeatureMatrix> features, BatchMemory memory)
    {
        (Index, Part) = (index, part);
        Utterances = utterances;
        Rows = features[0].Rows;
        Frames = [.. features.Select(f => f.Frames)];
        MaxFrames = Frames.Max();
        AudioSeconds = utterances.Sum(u => u.Seconds);
        this.memory = memory;
        length = checked(features.Count * Rows * MaxFrames);
        values = memory.Rent(length);
        Pad(features, values);
    }

    /// <summary>What a rank gets that has no batch of a step: no utterances, no frames.</summary>
    internal Batch(StepPart part, int rows, BatchMemory memory)
    {
        (Index, Part, Rows) = (-1, part, rows);
        (Utterances, Frames, this.memory, values) = ([], [], memory, []);
    }

    /// <summary>Place in the epoch, from 0; -1 of one without utterances.</summary>
    public int Index { get; }

    /// <summary>What it is to its step.</summary>
    public StepPart Part { get; }

    /// <summary>The N utterances.</summary>
    public IReadOnlyList<Utterance> Utterances { get; }

    /// <summary>Height of the features.</summary>
    public int Rows { get; }

    /// <summary>Frames of the longest utterance.</summary>
    public int MaxFrames { get; }

    /// <summary>[N], frames of each utterance.</summary>
    public int[] Frames { get; }

    /// <summary>[N, 1, Rows, MaxFrames], normalised per utterance, zero from each utterance's end on. Until <see cref="Release"/>.</summary>
    /// <exception cref="ObjectDisposedException">They were given back.</exception>
    public ReadOnlyMemory<float> Features => values.AsMemory(0, values is null ? throw new ObjectDisposedException(nameof(Batch), "the features were given back") : length);

    /// <summary>Length of the recordings together, without padding.</summary>
    public double AudioSeconds { get; }

    /// <summary>Gives the features' memory back, to be used for batches to come. Who has no more use for them may do so, once they have been copied, and nobody must.</summary>
    public void Release()
    {
        if (Interlocked.Exchange(ref values, null) is { Length: > 0 } array)
            memory.Return(array);
    }

    /// <summary>Writes every element.</summary>
    private void Pad(IReadOnlyList<FeatureMatrix> features, float[] target)
    {
        for (int n = 0; n < features.Count; n++)
        {
            for (int row = 0; row < Rows; row++)
            {
                Span<float> padded = target.AsSpan((n * Rows + row) * MaxFrames, MaxFrames);
                Span<float> source = features[n].Row(row);
                source.CopyTo(padded);
                padded[source.Length..].Clear();
            }
        }
    }
}
