namespace Ds2.Runtime.Decoding;

/// <summary>What a model says of a batch: for each output frame of each recording a score of every label.</summary>
/// <param name="Values">[T, N, C], row-major, before the softmax; empty where no recording is long enough for an output frame.</param>
/// <param name="T">Output frames of the longest recording.</param>
/// <param name="Frames">[N], the output frames of each recording.</param>
public sealed record BatchLogits(float[] Values, int T, int[] Frames)
{
    /// <summary>Recordings.</summary>
    public int N => Frames.Length;

    /// <summary>Labels, the blank included; 0 where there is no frame.</summary>
    public int Classes => T * N == 0 ? 0 : Values.Length / (T * N);

    /// <summary>The scores of one frame of a recording.</summary>
    /// <param name="recording">0 .. N - 1.</param>
    /// <param name="frame">0 .. Frames[recording] - 1.</param>
    public ReadOnlySpan<float> Row(int recording, int frame) => Values.AsSpan((frame * N + recording) * Classes, Classes);

    /// <summary>The texts of the recordings. One without an output frame has nothing in it that can be heard: where none has one, all texts are empty.</summary>
    /// <param name="decoder">Reads texts off logits.</param>
    /// <returns>[N].</returns>
    public string[] Decode(IDecoder decoder)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        return decoder.Decode(Values, T, N, Frames);
    }

    /// <summary>A copy of one recording's logits.</summary>
    /// <param name="recording">0 .. N - 1.</param>
    /// <param name="classes">Labels, the blank included, also where there is no frame.</param>
    public Logits Of(int recording, int classes)
    {
        var own = new float[Frames[recording] * classes];
        for (int frame = 0; frame < Frames[recording]; frame++)
            Row(recording, frame).CopyTo(own.AsSpan(frame * classes));
        return new Logits(own, Frames[recording], classes);
    }
}
