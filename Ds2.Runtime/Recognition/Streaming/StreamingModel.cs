using Ds2.Runtime.Audio;
using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Recognition.Streaming;

/// <summary>One model that serves many live streams: the weights are shared, each <see cref="StreamingRecognizer"/> has its own state.</summary>
/// <remarks>One thread at a time calls it and its recognizers.</remarks>
public sealed class StreamingModel : IDisposable
{
    private readonly ModelDescription description;
    private readonly FeatureExtractor extractor;
    private readonly StreamingOptions options;
    private readonly Func<IPassageDecoder> decoders;
    private readonly StreamingPass pass;
    private readonly FrameTimes times;
    private readonly List<StreamState> states = [];

    /// <summary>Makes a model ready for streams; it stays the caller's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="description">What it hears and writes.</param>
    /// <param name="options">When what was heard is final; null for the defaults.</param>
    /// <param name="decoders">Makes the decoder of each stream; null for the most likely labels.</param>
    /// <exception cref="InputException">The model cannot hear in pieces: it is bidirectional, or its features are normalized by the whole utterance.</exception>
    public StreamingModel(DeepSpeech2 model, ModelDescription description, StreamingOptions? options = null, Func<IPassageDecoder>? decoders = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(description);
        if (description.Options.Normalization != FeatureNormalization.Corpus)
            throw new InputException("the model's features are normalized by the whole utterance, which live sound does not have: live recognition needs one trained with --set normalization=corpus");
        this.description = description;
        this.options = options ?? new StreamingOptions();
        this.decoders = decoders ?? (() => new GreedyPassage(description.Alphabet));
        extractor = description.CreateExtractor();
        pass = new StreamingPass(model);
        times = FrameTimes.Of(model.Architecture);
        Lookahead = (double)model.Architecture.OutputReach / CoefficientFile.FramesPerSecond + FrameExtractor.Delay;
    }

    /// <summary>How much later than its middle an output frame can be computed, in seconds: half of what the convolutions see, and half a feature frame's window.</summary>
    public double Lookahead { get; }

    /// <summary>A recognizer of a stream that begins; it needs no end.</summary>
    /// <param name="sampleRate">Its samples a second.</param>
    /// <exception cref="InputException">The rate is in no simple ratio to 16 kHz.</exception>
    public StreamingRecognizer Open(int sampleRate = Audio.AudioFile.SampleRate) =>
        new(this, pass.NewStream(), new FrameExtractor(extractor), sampleRate, new PassageReader(description.Alphabet, decoders(), options, times));

    /// <summary>Hears what the streams have taken in since, all of them at once.</summary>
    /// <param name="streams">Streams of this model, each once; those without new sound cost nothing.</param>
    public void Advance(IReadOnlyList<StreamingRecognizer> streams)
    {
        ArgumentNullException.ThrowIfNull(streams);
        states.Clear();
        foreach (StreamingRecognizer stream in streams)
            states.Add(stream.State);
        pass.Advance(states);
        foreach (StreamingRecognizer stream in streams)
            stream.Decode();
    }

    /// <summary>Gives the memory back; the model stays.</summary>
    public void Dispose() => pass.Dispose();
}
