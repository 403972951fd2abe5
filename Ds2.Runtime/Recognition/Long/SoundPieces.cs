using System.Runtime.InteropServices;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>The features of a recording, piece by piece.</summary>
/// <param name="extractor">Makes the features that the model was trained on.</param>
/// <param name="cutter">Says where the pieces are.</param>
/// <param name="edges">Makes their edges; null where nothing is known of what the model is used to.</param>
internal sealed class SoundPieces(FeatureExtractor extractor, PieceCutter cutter, SoundEdges? edges)
{
    private const int Hop = AudioFile.SampleRate / 100;

    private readonly List<float> held = [];
    private long first, levelled;

    /// <summary>Samples so far.</summary>
    private long End => first + held.Count;

    /// <summary>The length of the recording once all pieces have come, in seconds.</summary>
    public double Seconds => (double)End / AudioFile.SampleRate;

    /// <summary>Reads a recording to its end.</summary>
    /// <exception cref="InputException">It is damaged, or holds no samples.</exception>
    public IEnumerable<HeardPiece> Read(SoundReader reader)
    {
        while (Take(reader))
        {
            while (cutter.TryNext(ended: false, out Piece piece))
                yield return Hear(piece);
        }
        if (End == 0)
            throw new InputException("holds no samples");
        while (cutter.TryNext(ended: true, out Piece piece))
            yield return Hear(piece);
    }

    private bool Take(SoundReader reader)
    {
        ReadOnlySpan<float> samples = reader.Read();
        held.AddRange(samples);
        Level(ended: samples.Length == 0);
        return samples.Length > 0;
    }

    /// <summary>Tells the cutter the levels of the frames that are complete; at the end, of the rest too.</summary>
    private void Level(bool ended)
    {
        Span<float> level = stackalloc float[1];
        while (levelled + Hop <= End || ended && levelled < End)
        {
            int from = (int)(levelled - first), count = (int)Math.Min(Hop, End - levelled);
            level[0] = LevelOf(CollectionsMarshal.AsSpan(held).Slice(from, count));
            cutter.Add(level);
            levelled += count;
        }
    }

    private static float LevelOf(ReadOnlySpan<float> frame)
    {
        double sum = 0;
        foreach (float sample in frame)
            sum += sample * sample;
        return DigitalSilence.Before(frame) == frame.Length ? PieceCutter.Digital : (float)(10 * Math.Log10(sum / frame.Length));
    }

    private HeardPiece Hear(Piece piece)
    {
        long from = piece.Start * Hop, to = Math.Min(piece.End * Hop, End);
        float[] samples = [.. held[(int)(from - first)..(int)(to - first)]];
        int dropped = (int)(Math.Min(cutter.Start * Hop, End) - first);
        held.RemoveRange(0, dropped);
        first += dropped;
        int offset = 0;
        // Where nothing sounds nothing is said, whatever a model makes of it.
        if (DigitalSilence.Before(samples) == samples.Length)
            samples = [];
        else if (edges is not null)
            (samples, offset) = edges.Of(samples);
        // One too short for a frame says nothing: it has none.
        FeatureMatrix features = samples.Length < extractor.MinimumSamples ? new FeatureMatrix([], extractor.Rows, 0) : extractor.Normalize(extractor.ExtractSensible(samples));
        return new HeardPiece(piece, features, (double)(from + offset) / AudioFile.SampleRate);
    }
}
