using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>Streams on their way through a model in pieces, all that have new frames at once: the logits are those that each whole would have.</summary>
/// <remarks>
/// The weights are the model's; a stream's state is a <see cref="StreamState"/>. Streams come and go as they like: what goes through together is only a matter of speed.
/// Convolutions, normalizations (by their running statistics) and Hardtanh give the same bits as over the whole. The products of GRUs and output layer do so as long as the host
/// takes the same kernel for as many rows (up to 64 it is another than for more), else they sum in another order.
/// </remarks>
public sealed class StreamingPass : IDisposable
{
    private readonly DeepSpeech2 model;
    private readonly ConvolutionStreams[] convolutions;
    private readonly RecurrentPass[] recurrent;
    private readonly ILayerPass output;
    private readonly int recurrentInput;
    private readonly GrowingTensor input;
    private readonly GrowingTensor state;
    private readonly FrameCounts counts;
    private readonly List<StreamState> ready = [];
    private OutputPiece[] pieces = [];
    private ConvolutionState[] states = [];
    private float[] host = [];
    private int[] frames = [];

    /// <summary>A pass through a model; the caller disposes it, before the model.</summary>
    /// <param name="model">The model; one direction only.</param>
    /// <exception cref="InputException">The model is bidirectional.</exception>
    public StreamingPass(DeepSpeech2 model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Architecture.Bidirectional)
            throw new InputException("a bidirectional model has to hear the end before it writes the beginning: live recognition needs one trained with --set bidirectional=false (the preset mlperf is such a one)");
        this.model = model;
        int rows = model.Architecture.InputRows;
        var convolutionStreams = new List<ConvolutionStreams>();
        var recurrentPasses = new List<RecurrentPass>();
        ILayerPass? last = null;
        foreach ((_, ILayer layer) in model.Layers)
        {
            switch (layer)
            {
                case ConvolutionLayer convolution:
                    convolutionStreams.Add(new ConvolutionStreams(convolution, model.Engine, rows));
                    rows = convolutionStreams[^1].OutputRows;
                    break;
                case TimeMajorLayer:
                    // The values come through host memory here, and are put into order there.
                    break;
                case RecurrentLayer gru:
                    recurrentPasses.Add(gru.NewPass());
                    break;
                default:
                    last = layer.NewPass();
                    break;
            }
        }

        convolutions = [.. convolutionStreams];
        recurrent = [.. recurrentPasses];
        output = last!;
        recurrentInput = rows * model.Architecture.Channels;
        input = new GrowingTensor(model.Engine);
        state = new GrowingTensor(model.Engine);
        counts = new FrameCounts(model.Engine);
    }

    /// <summary>The state of a stream that begins. It takes no part of the pass's memory, and needs no end.</summary>
    public StreamState NewStream()
    {
        var hidden = new float[recurrent.Length][];
        for (int i = 0; i < hidden.Length; i++)
            hidden[i] = new float[model.Architecture.Hidden];
        return new StreamState([.. convolutions.Select(layer => layer.NewState())], hidden, model.Architecture.Classes);
    }

    /// <summary>Computes all output frames that the frames appended so far suffice for.</summary>
    /// <param name="streams">Streams of this pass, each once; <see cref="StreamState.Logits"/> has what each got, which may be nothing.</param>
    public void Advance(IReadOnlyList<StreamState> streams)
    {
        ArgumentNullException.ThrowIfNull(streams);
        ready.Clear();
        foreach (StreamState stream in streams)
        {
            stream.NewLogits(0);
            if (stream.Convolutions[0].Ready > 0)
                ready.Add(stream);
        }

        Convolve();
        if (ready.Count > 0)
            Recur();
    }

    /// <summary>Gives the memory back; the model stays.</summary>
    public void Dispose()
    {
        foreach (ConvolutionStreams layer in convolutions)
            layer.Dispose();
        foreach (RecurrentPass layer in recurrent)
            layer.Dispose();
        output.Dispose();
        input.Dispose();
        state.Dispose();
        counts.Dispose();
    }

    // Leaves in ready the streams that have frames for the GRUs, and where those are in pieces.
    private void Convolve()
    {
        for (int i = 0; i < convolutions.Length && ready.Count > 0; i++)
        {
            if (pieces.Length < ready.Count)
                (pieces, states) = (new OutputPiece[ready.Count], new ConvolutionState[ready.Count]);
            for (int n = 0; n < ready.Count; n++)
                states[n] = ready[n].Convolutions[i];
            ConvolutionStreams layer = convolutions[i];
            layer.Run(states.AsSpan(0, ready.Count), pieces);
            int kept = 0;
            for (int n = 0; n < ready.Count; n++)
            {
                OutputPiece piece = pieces[n];
                if (i + 1 < convolutions.Length && piece.Count > 0)
                    ready[n].Convolutions[i + 1].Append(layer.Output[piece.Offset..], layer.OutputStride, piece.Count);
                if (piece.Count > 0)
                    (ready[kept], pieces[kept++]) = (ready[n], piece);
            }

            ready.RemoveRange(kept, ready.Count - kept);
        }
    }

    private void Recur()
    {
        int n = ready.Count, t = 0;
        if (frames.Length != n)
            frames = new int[n];
        for (int i = 0; i < n; i++)
            t = Math.Max(t, frames[i] = pieces[i].Count);
        counts.Set(frames);
        var sequence = new Sequence(TimeMajor(t), counts);
        for (int i = 0; i < recurrent.Length; i++)
            sequence = Continue(i, sequence);
        Tensor logits = output.Forward(sequence, training: false).Values;
        int classes = logits.Shape[2];
        Span<float> values = Host(logits.Length);
        logits.CopyTo(values);
        for (int i = 0; i < n; i++)
        {
            Span<float> target = ready[i].NewLogits(frames[i]);
            for (int frame = 0; frame < frames[i]; frame++)
                values.Slice((frame * n + i) * classes, classes).CopyTo(target[(frame * classes)..]);
        }
    }

    // [T, N, C F] of the last convolution's outputs; zeros after a stream's last frame.
    private Tensor TimeMajor(int t)
    {
        ConvolutionStreams last = convolutions[^1];
        int n = ready.Count;
        Span<float> values = Host(t * n * recurrentInput);
        values.Clear();
        for (int i = 0; i < n; i++)
            for (int row = 0; row < recurrentInput; row++)
            {
                ReadOnlySpan<float> source = last.Output.Slice(row * last.OutputStride + pieces[i].Offset, frames[i]);
                for (int frame = 0; frame < source.Length; frame++)
                    values[(frame * n + i) * recurrentInput + row] = source[frame];
            }

        Tensor x = input.As(new Shape(t, n, recurrentInput));
        x.CopyFrom(values);
        return x;
    }

    private Sequence Continue(int layer, Sequence sequence)
    {
        int n = ready.Count, hidden = model.Architecture.Hidden;
        Tensor current = state.As(new Shape(n, hidden));
        Span<float> values = Host(n * hidden);
        for (int i = 0; i < n; i++)
            ready[i].Hidden[layer].CopyTo(values[(i * hidden)..]);
        current.CopyFrom(values);
        Sequence next = recurrent[layer].Continue(sequence, current);
        current.CopyTo(values);
        for (int i = 0; i < n; i++)
            values.Slice(i * hidden, hidden).CopyTo(ready[i].Hidden[layer]);
        return next;
    }

    private Span<float> Host(int length)
    {
        if (host.Length < length)
            host = new float[length];
        return host.AsSpan(0, length);
    }
}
