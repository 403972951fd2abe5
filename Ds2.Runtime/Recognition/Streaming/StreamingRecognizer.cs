using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>Writes one live stream down: samples in pieces of any size, text as it is heard.</summary>
/// <remarks>
/// <see cref="Accept"/> takes sound in, <see cref="StreamingModel.Advance"/> (or <see cref="Advance"/>, for this stream alone) hears it. A passage ends with a pause: so many frames in a row whose most
/// likely label is the blank or the space. The pause ends a word, too. The hidden states go on from passage to passage.
/// </remarks>
public sealed class StreamingRecognizer
{
    private readonly StreamingModel model;
    private readonly SoundResampler resampler;
    private readonly FrameExtractor frames;
    private readonly Alphabet alphabet;
    private readonly IPassageDecoder decoder;
    private readonly int pause, longest;
    private readonly Queue<Passage> passages = new();
    private readonly List<WordFrames> words = [];
    private readonly StreamingRecognizer[] alone;
    private long frame, passageStart;
    private long firstLetter = -1, lastLetter;
    private bool endsNow;

    internal StreamingRecognizer(
        StreamingModel model, StreamState state, FrameExtractor frames, int sampleRate, Alphabet alphabet, IPassageDecoder decoder, StreamingOptions options)
    {
        this.model = model;
        State = state;
        this.frames = frames;
        this.alphabet = alphabet;
        this.decoder = decoder;
        resampler = new SoundResampler(sampleRate, AudioFile.SampleRate);
        pause = Math.Max(1, (int)Math.Round(options.Pause / model.Timing.Step));
        longest = Math.Max(1, (int)Math.Round(options.LongestPassage / model.Timing.Step));
        alone = [this];
    }

    /// <summary>How much later than its sound a letter can be written at best, in seconds: what convolutions, features and resampling look ahead. The size of the pieces comes on top.</summary>
    public double Latency => model.Timing.Lookahead + resampler.Delay;

    /// <summary>The text since the last passage's end. It grows at its tail; of a beam search, all behind <see cref="Stable"/> may still change.</summary>
    public string Text => decoder.Text.Trim();

    /// <summary>How many of <see cref="Text"/>'s characters stay as they are.</summary>
    public int Stable => Math.Clamp(decoder.Stable - (decoder.Text.Length - decoder.Text.TrimStart().Length), 0, Text.Length);

    /// <summary>When the text since the last passage's end began, in seconds from the sound's start.</summary>
    public double Start => firstLetter < 0 ? Heard : model.Timing.Centre(firstLetter) - model.Timing.Step / 2;

    /// <summary>Seconds of sound that were heard to their end.</summary>
    public double Heard => frame == 0 ? 0 : model.Timing.Centre(frame - 1) + model.Timing.Step / 2;

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
        endsNow = true;
    }

    /// <summary>Hears what was taken in.</summary>
    public void Advance() => model.Advance(alone);

    /// <summary>The next passage that is over.</summary>
    public bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Passage? passage) => passages.TryDequeue(out passage);

    internal void Decode()
    {
        int classes = alphabet.Size;
        ReadOnlySpan<float> logits = State.Logits;
        for (; !logits.IsEmpty; logits = logits[classes..])
            Decode(logits[..classes]);
        if (endsNow)
            EndPassage();
    }

    private void Decode(ReadOnlySpan<float> logits)
    {
        int label = BestLabel.Of(logits);
        bool isLetter = label != alphabet.Blank && alphabet[label] != " ";
        if (isLetter)
        {
            firstLetter = firstLetter < 0 ? frame : firstLetter;
            lastLetter = frame;
        }

        decoder.Advance(logits);
        frame++;
        if (firstLetter < 0)
        {
            // Nothing was said yet: a beam search need not carry silence along.
            if (frame - passageStart >= pause)
                EndPassage();
        }
        else if (frame - lastLetter > pause || (frame - passageStart >= longest && label != alphabet.Blank && !isLetter))
        {
            EndPassage();
        }
    }

    private void EndPassage()
    {
        words.Clear();
        string text = string.Join(' ', decoder.Finish(words).Split(' ', StringSplitOptions.RemoveEmptyEntries));
        double half = model.Timing.Step / 2;
        if (text.Length > 0)
        {
            (long first, long last) = firstLetter < 0 ? (passageStart, frame - 1) : (firstLetter, lastLetter);
            passages.Enqueue(new Passage(
                text, model.Timing.Centre(first) - half, model.Timing.Centre(last) + half,
                [.. words.Select(word => new SpokenWord(word.Text, model.Timing.Centre(passageStart + word.First) - half, model.Timing.Centre(passageStart + word.Last) + half))]));
        }

        passageStart = frame;
        firstLetter = -1;
    }
}
