using Ds2.Kernels.Ops;

namespace Ds2.Runtime.Layers;

/// <summary>What a convolution layer keeps of one stream between two pieces: the input frames that later outputs still need.</summary>
/// <remarks>
/// An output frame is computed from <c>KernelFrames</c> input frames, so the last <c>KernelFrames - StrideFrames</c> of a piece are needed again. The host's kernel computes two neighbouring
/// outputs together, the first of them with an even number (<c>PairedColumns</c>), and an output's last bit depends on which of the two it is. Each piece therefore starts with an even one: after an odd
/// number of outputs, a stride more of input frames is kept, and the last output is computed again and not given twice.
/// </remarks>
public sealed class ConvolutionState
{
    /// <summary>Outputs that are computed together.</summary>
    internal const int Pair = 2;

    private readonly ConvolutionOptions options;
    private readonly int rows;
    private float[] frames = []; // [rows, capacity]
    private int capacity;
    private bool lastIsRepeated;

    internal ConvolutionState(ConvolutionOptions options, int inputRows)
    {
        this.options = options;
        rows = options.InputChannels * inputRows;
        AppendPadding();
    }

    /// <summary>Input frames held, from that on which the next piece starts.</summary>
    public int Held { get; private set; }

    /// <summary>Output frames that the input frames held suffice for and that were not given yet.</summary>
    public int Ready => Math.Max(0, Outputs - Repeated);

    /// <summary>Outputs at the start of the next piece that were given already: 0 or 1.</summary>
    internal int Repeated => lastIsRepeated ? 1 : 0;

    private int Outputs => Conv2dShape.OutputSize(Held, options.KernelFrames, options.StrideFrames, 0);

    /// <summary>Takes the next input frames.</summary>
    /// <param name="source">Row r of frame t, all channels' rows one after the other, at r * <paramref name="stride"/> + t.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="count">Frames.</param>
    /// <exception cref="ArgumentException">The source is shorter than that.</exception>
    public void Append(ReadOnlySpan<float> source, int stride, int count)
    {
        if (count == 0)
            return;
        if (source.Length < (rows - 1) * (long)stride + count)
            throw new ArgumentException($"{source.Length} values are not {rows} rows of {count} frames, {stride} apart", nameof(source));
        if (Held + count > capacity)
            Grow(Held + count);
        for (int row = 0; row < rows; row++)
            source.Slice(row * stride, count).CopyTo(frames.AsSpan(row * capacity + Held));
        Held += count;
    }

    /// <summary>Takes the padding in time: at a stream's beginning, and after its last frame.</summary>
    internal void AppendPadding() => Append(new float[rows * options.PadFrames], options.PadFrames, options.PadFrames);

    /// <summary>Writes the frames held into an image, with zeros after them.</summary>
    /// <param name="image">Row r of the image at r * <paramref name="stride"/>.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="width">Columns that belong to this stream.</param>
    internal void CopyTo(Span<float> image, int stride, int width)
    {
        for (int row = 0; row < rows; row++)
        {
            Span<float> target = image.Slice(row * stride, width);
            frames.AsSpan(row * capacity, Held).CopyTo(target);
            target[Held..].Clear();
        }
    }

    /// <summary>Lets go of what no later output needs, all that are ready having been given.</summary>
    internal void Release()
    {
        int outputs = Outputs, whole = outputs / Pair * Pair, dropped = whole * options.StrideFrames;
        lastIsRepeated = outputs > whole;
        if (dropped == 0)
            return;
        Held -= dropped;
        for (int row = 0; row < rows; row++)
            frames.AsSpan(row * capacity + dropped, Held).CopyTo(frames.AsSpan(row * capacity));
    }

    private void Grow(int needed)
    {
        int larger = Math.Max(needed, 2 * capacity);
        var moved = new float[rows * larger];
        for (int row = 0; row < rows; row++)
            frames.AsSpan(row * capacity, Held).CopyTo(moved.AsSpan(row * larger));
        (frames, capacity) = (moved, larger);
    }
}
