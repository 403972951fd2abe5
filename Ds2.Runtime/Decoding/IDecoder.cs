namespace Ds2.Runtime.Decoding;

/// <summary>Reads texts off a model's output.</summary>
public interface IDecoder
{
    /// <summary>Decodes a batch.</summary>
    /// <param name="logits">[T, N, C] with C the alphabet's size.</param>
    /// <param name="t">Frames of the batch.</param>
    /// <param name="n">Utterances.</param>
    /// <param name="frames">[N], the frames of each utterance, 0 .. t; those after them are not looked at.</param>
    /// <returns>[N], the texts.</returns>
    /// <exception cref="ArgumentException">The logits' length is not T * N * C, or a frame count does not fit.</exception>
    string[] Decode(ReadOnlySpan<float> logits, int t, int n, ReadOnlySpan<int> frames);
}
