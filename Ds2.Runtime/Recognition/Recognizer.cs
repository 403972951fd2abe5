using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;

namespace Ds2.Runtime.Recognition;

/// <summary>Writes recordings down: features through a model, its logits through a decoder.</summary>
public sealed class Recognizer : IDisposable
{
    private readonly DeepSpeech2 model;
    private readonly IDecoder decoder;
    private readonly ModelPass pass;
    private readonly bool ownsPass;
    private readonly GrowingTensor features;

    /// <summary>A recognizer of a model; model and decoder stay the caller's.</summary>
    /// <param name="model">The model; its running statistics are left as they are.</param>
    /// <param name="decoder">Reads texts off the logits.</param>
    /// <param name="pass">A pass of the model to go through, which stays the caller's, so that evaluation between two epochs takes no activations of its own; null for one of its own.</param>
    public Recognizer(DeepSpeech2 model, IDecoder decoder, ModelPass? pass = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        this.model = model;
        this.decoder = decoder;
        this.pass = pass ?? model.NewPass();
        ownsPass = pass is null;
        features = new GrowingTensor(model.Engine);
    }

    /// <summary>The decoder, if it searches: it has more than one text of a recording.</summary>
    internal BeamDecoder? Beam => decoder as BeamDecoder;

    /// <summary>The bytes that a batch of this size takes, parameters apart.</summary>
    public long BytesFor(BatchSize size) =>
        model.OutputFrames(size.Frames) == 0 ? 0 : pass.BytesFor(size.Utterances, size.Frames, training: false) + sizeof(float) * (long)ElementsOf(size);

    /// <summary>Takes the memory for batches of up to this size, so that none is taken later.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    /// <exception cref="OverflowException">The batch has more than 2^31 elements.</exception>
    public void Reserve(BatchSize size)
    {
        if (model.OutputFrames(size.Frames) == 0)
            return;
        features.Reserve(ElementsOf(size));
        pass.Reserve(size.Utterances, size.Frames, training: false);
    }

    /// <summary>The same, with a line for the user where there is not enough.</summary>
    /// <exception cref="InputException">There is not.</exception>
    internal void Take(BatchSize size) => BatchReservation.Take(
        model, size, "", 1, BytesFor, Reserve, size.Utterances > 1 ? $"try --batch {size.Utterances / 2}" : "cut the longest recordings, or leave them out of the manifest");

    /// <summary>The texts of some recordings, given their features.</summary>
    /// <param name="values">[N, 1, F, T]: normalized features, zero after each recording's end.</param>
    /// <param name="frames">[N]: frames of each recording. One too short for an output frame has nothing in it that can be heard: its text is empty.</param>
    /// <param name="maxFrames">T.</param>
    /// <returns>[N], the texts.</returns>
    public string[] Transcribe(ReadOnlySpan<float> values, ReadOnlySpan<int> frames, int maxFrames) => Read(Hear(values, frames, maxFrames));

    /// <summary>The logits of some recordings, for whoever reads more off them than one text: each recording goes through the model once.</summary>
    /// <param name="values">As for <see cref="Transcribe(ReadOnlySpan{float}, ReadOnlySpan{int}, int)"/>.</param>
    /// <param name="frames">[N], likewise.</param>
    /// <param name="maxFrames">T.</param>
    public BatchLogits Hear(ReadOnlySpan<float> values, ReadOnlySpan<int> frames, int maxFrames)
    {
        if (model.OutputFrames(maxFrames) == 0)
            return new BatchLogits([], 0, new int[frames.Length]);
        Sequence output = Forward(values, frames, maxFrames);
        return new BatchLogits(output.Values.ToArray(), output.Values.Shape[0], output.Frames.Host.ToArray());
    }

    /// <summary>The texts of the recognizer's own decoder.</summary>
    /// <param name="logits">What the model says.</param>
    /// <returns>[N].</returns>
    public string[] Read(BatchLogits logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        return logits.Decode(decoder);
    }

    /// <summary>The text of one recording.</summary>
    /// <param name="path">A recording or a feature file.</param>
    /// <param name="extractor">Makes the features that the model was trained on.</param>
    /// <exception cref="InputException">It cannot be read.</exception>
    public string Transcribe(string path, FeatureExtractor extractor)
    {
        ArgumentNullException.ThrowIfNull(extractor);
        FeatureMatrix matrix = extractor.Normalize(extractor.FromFile(path));
        return Transcribe(matrix.Values, [matrix.Frames], matrix.Frames)[0];
    }

    /// <summary>Gives the memory back; the model stays.</summary>
    public void Dispose()
    {
        features.Dispose();
        if (ownsPass)
            pass.Dispose();
    }

    /// <summary>[T', N, C] for a batch that is long enough for an output frame.</summary>
    private Sequence Forward(ReadOnlySpan<float> values, ReadOnlySpan<int> frames, int maxFrames)
    {
        Tensor x = features.As(new Shape(frames.Length, 1, model.Architecture.InputRows, maxFrames));
        x.CopyFrom(values[..x.Length]);
        return pass.Forward(x, frames, training: false);
    }

    private int ElementsOf(BatchSize size) => checked(size.Utterances * model.Architecture.InputRows * size.Frames);
}
