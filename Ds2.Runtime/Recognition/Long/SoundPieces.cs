using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>The features of a recording, piece by piece.</summary>
/// <param name="extractor">Makes the features that the model was trained on.</param>
internal sealed class SoundPieces(FeatureExtractor extractor)
{
    private const int Hop = AudioFile.SampleRate / 100;

    /// <summary>Digital silence, in decibels.</summary>
    private const float Nothing = -100;

    private readonly PieceCutter cutter = new();
    private readonly List<float> held = [];
    private long first, levelled;

    /// <summary>Samples so far.</summary>
    private long End => first + held.Count;

    /// <summary>The length of the recording once all pieces have come, in seconds.</summary>
    public double Seconds => (double)End / AudioFile.SampleRate;

    /// <summary>Reads a recording to its end.</summary>
    /// <exception cref="InputException">It is damaged, or holds no samples.</exception>
    public IEnumerable<(Piece Piece, FeatureMatrix Features)> Read(SoundReader reader)
    {
        while (Take(reader))
        {
            while (cutter.TryNext(ended: false, out Piece piece))
                yield return (piece, FeaturesOf(piece));
        }
        if (End == 0)
            throw new InputException("holds no samples");
        while (cutter.TryNext(ended: true, out Piece piece))
            yield return (piece, FeaturesOf(piece));
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
            double sum = 0;
            for (int i = 0; i < count; i++)
                sum += held[from + i] * held[from + i];
            level[0] = (float)Math.Max(Nothing, 10 * Math.Log10(sum / count + 1e-12));
            cutter.Add(level);
            levelled += count;
        }
    }

    private FeatureMatrix FeaturesOf(Piece piece)
    {
        long from = piece.Start * Hop, to = Math.Min(piece.End * Hop, End);
        float[] samples = [.. held[(int)(from - first)..(int)(to - first)]];
        int dropped = (int)(Math.Min(cutter.Start * Hop, End) - first);
        held.RemoveRange(0, dropped);
        first += dropped;
        // One too short for a frame says nothing: a frame of silence stands for it.
        return samples.Length < extractor.MinimumSamples ? new FeatureMatrix(new float[extractor.Rows], extractor.Rows, 1) : extractor.Normalize(extractor.ExtractSensible(samples));
    }
}
