using System.Diagnostics.CodeAnalysis;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>Writes one live stream down: samples in pieces of any size, text as it is heard.</summary>
/// <remarks><see cref="Accept"/> takes sound in, <see cref="StreamingModel.Advance"/> (or <see cref="Advance"/>, for this stream alone) hears it. The hidden states go on from passage to passage.</remarks>
public sealed class StreamingRecognizer
{
    private readonly StreamingModel model;
    private readonly SoundResampler resampler;
    private readonly FrameExtractor frames;
    private readonly PassageReader reader;
    private readonly StreamingRecognizer[] alone;
    private bool endsNow;

    internal StreamingRecognizer(StreamingModel model, StreamState state, FrameExtractor frames, int sampleRate, PassageReader reader)
    {
        this.model = model;
        State = state;
        this.frames = frames;
        this.reader = reader;
        resampler = new SoundResampler(sampleRate, AudioFile.SampleRate);
        alone = [this];
    }

    /// <summary>How much later than its sound a letter can be written at best, in seconds: what convolutions, features and resampling look ahead. The size of the pieces comes on top.</summary>
    public double Latency => model.Lookahead + resampler.Delay;

    /// <inheritdoc cref="PassageReader.Text"/>
    public string Text => reader.Text;

    /// <inheritdoc cref="PassageReader.Stable"/>
    public int Stable => reader.Stable;

    /// <inheritdoc cref="PassageReader.Start"/>
    public double Start => reader.Start;

    /// <inheritdoc cref="PassageReader.Heard"/>
    public double Heard => reader.Heard;

    internal StreamState State { get; }

    /// <summary>Takes sound in. Memory grows with the size of a piece, not with that of the sound.</summary>
    /// <param name="samples">The next samples, mono, full scale at 1.</param>
    /// <exception cref="InputException">A sample is no finite number.</exception>
    /// <exception cref="InvalidOperationException">The sound has ended.</exception>
    public void Accept(ReadOnlySpan<float> samples)
    {
        if (endsNow)
            throw new InvalidOperationException("the sound has ended");
        State.Append(frames.Accept(resampler.Accept(samples)));
    }

    /// <summary>Ends the sound: what is heard next is the last, and final.</summary>
    public void Finish()
    {
        if (endsNow)
            return;
        State.Append(frames.Accept(resampler.Finish()));
        State.Append(frames.Finish());
        State.Finish();
        endsNow = true;
    }

    /// <summary>Hears what was taken in.</summary>
    public void Advance() => model.Advance(alone);

    /// <inheritdoc cref="PassageReader.TryTake"/>
    public bool TryTake([NotNullWhen(true)] out Passage? passage) => reader.TryTake(out passage);

    internal void Decode()
    {
        reader.Advance(State.Logits);
        if (endsNow)
            reader.Finish();
    }
}
