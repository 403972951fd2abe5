namespace Ds2.Runtime.Decoding;

/// <summary>What a decoder asks of a batch.</summary>
internal static class LogitBatch
{
    /// <summary>Refuses sizes that contradict each other.</summary>
    /// <param name="logits">[T, N, C].</param>
    /// <param name="t">T.</param>
    /// <param name="n">N.</param>
    /// <param name="labels">C.</param>
    /// <param name="frames">[N], each 0 .. T.</param>
    /// <exception cref="ArgumentException">The logits' length is not T * N * C, or a frame count does not fit.</exception>
    public static void Require(ReadOnlySpan<float> logits, int t, int n, int labels, ReadOnlySpan<int> frames)
    {
        if (logits.Length != (long)t * n * labels)
            throw new ArgumentException($"{logits.Length} logits are not [{t}, {n}, {labels}]", nameof(logits));
        if (frames.Length != n)
            throw new ArgumentException($"{frames.Length} frame counts for {n} utterances", nameof(frames));
        for (int i = 0; i < n; i++)
        {
            if (frames[i] < 0 || frames[i] > t)
                throw new ArgumentException($"utterance {i} has {frames[i]} frames of {t}", nameof(frames));
        }
    }
}
