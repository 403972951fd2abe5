using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>One stream's state on its way through a model, weights apart: a few input frames of each convolution, and the hidden state of each GRU.</summary>
public sealed class StreamState
{
    private readonly int classes;
    private float[] logits = [];

    internal StreamState(ConvolutionState[] convolutions, float[][] hidden, int classes)
    {
        Convolutions = convolutions;
        Hidden = hidden;
        this.classes = classes;
    }

    /// <summary>The logits that the last <see cref="StreamingPass.Advance"/> gave for this stream: [<see cref="Frames"/>, labels].</summary>
    public ReadOnlySpan<float> Logits => logits.AsSpan(0, Frames * classes);

    /// <summary>Output frames of the last <see cref="StreamingPass.Advance"/>.</summary>
    public int Frames { get; private set; }

    internal ConvolutionState[] Convolutions { get; }

    /// <summary>[layer][H].</summary>
    internal float[][] Hidden { get; }

    /// <summary>Takes the stream's next feature frames.</summary>
    /// <param name="features">Normalized features; none for no frames.</param>
    public void Append(FeatureMatrix features)
    {
        ArgumentNullException.ThrowIfNull(features);
        Append(features.Values, features.Frames, features.Frames);
    }

    /// <summary>Takes the stream's next feature frames.</summary>
    /// <param name="rows">Row r of frame t at r * <paramref name="stride"/> + t.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="frames">Frames.</param>
    public void Append(ReadOnlySpan<float> rows, int stride, int frames) => Convolutions[0].Append(rows, stride, frames);

    /// <summary>Ends the stream: outputs that see its last frames and nothing after them can be computed.</summary>
    public void Finish() => Convolutions[0].AppendPadding();

    /// <summary>Room for the logits of so many frames.</summary>
    internal Span<float> NewLogits(int frames)
    {
        Frames = frames;
        if (logits.Length < frames * classes)
            logits = new float[frames * classes];
        return logits.AsSpan(0, frames * classes);
    }
}
