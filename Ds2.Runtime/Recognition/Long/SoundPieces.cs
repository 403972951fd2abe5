using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>The features of a recording, piece by piece.</summary>
/// <param name="extractor">Makes the features that the model was trained on.</param>
/// <param name="cutter">Cuts the recording.</param>
/// <param name="edges">Makes the pieces' edges; null where nothing is known of what the model is used to.</param>
internal sealed class SoundPieces(FeatureExtractor extractor, SoundCutter cutter, SoundEdges? edges)
{
    /// <summary>Reads a recording to its end.</summary>
    /// <exception cref="InputException">It is damaged, or holds no samples.</exception>
    public IEnumerable<HeardPiece> Read(SoundReader reader) => cutter.Read(reader).Select(Hear);

    private HeardPiece Hear(SoundPiece sound)
    {
        float[] samples = sound.Samples;
        int offset = 0;
        // Where nothing sounds nothing is said, whatever a model makes of it.
        if (DigitalSilence.Before(samples) == samples.Length)
            samples = [];
        else if (edges is not null)
            (samples, offset) = edges.Of(samples);
        // One too short for a frame says nothing: it has none.
        FeatureMatrix features = samples.Length < extractor.MinimumSamples ? new FeatureMatrix([], extractor.Rows, 0) : extractor.Normalize(extractor.ExtractSensible(samples));
        return new HeardPiece(sound.Piece, features, sound.Piece.Start / 100.0 + (double)offset / AudioFile.SampleRate);
    }
}
