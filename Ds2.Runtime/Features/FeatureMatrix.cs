namespace Ds2.Runtime.Features;

/// <summary>The features of one utterance.</summary>
/// <param name="Values">[Rows, Frames], row-major: row r of frame t at r * Frames + t.</param>
/// <param name="Rows">Height: frequencies or coefficients.</param>
/// <param name="Frames">Length: one frame for every 10 ms.</param>
public sealed record FeatureMatrix(float[] Values, int Rows, int Frames)
{
    /// <summary>One row, over all frames.</summary>
    /// <param name="row">0 .. Rows - 1.</param>
    public Span<float> Row(int row) => Values.AsSpan(row * Frames, Frames);
}
