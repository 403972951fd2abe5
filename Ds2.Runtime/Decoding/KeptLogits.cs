namespace Ds2.Runtime.Decoding;

/// <summary>Hands logits to another decoder and keeps them, so that an utterance goes through the model once, whatever is tried with its logits then.</summary>
/// <param name="decoder">Says the texts.</param>
public sealed class KeptLogits(IDecoder decoder) : IDecoder
{
    private readonly List<float[]> utterances = [];

    /// <summary>The utterances in the order in which they were decoded, each [T, C].</summary>
    public IReadOnlyList<float[]> Utterances => utterances;

    /// <inheritdoc/>
    public string[] Decode(ReadOnlySpan<float> logits, int t, int n, ReadOnlySpan<int> frames)
    {
        string[] texts = decoder.Decode(logits, t, n, frames);
        int labels = t * n == 0 ? 0 : logits.Length / (t * n);
        for (int i = 0; i < n; i++)
        {
            var own = new float[frames[i] * labels];
            for (int frame = 0; frame < frames[i]; frame++)
                logits.Slice((frame * n + i) * labels, labels).CopyTo(own.AsSpan(frame * labels));
            utterances.Add(own);
        }

        return texts;
    }
}
