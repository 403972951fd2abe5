using System.Runtime.InteropServices;
using Ds2.Runtime.Audio;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>A piece of a recording with its sound.</summary>
/// <param name="Piece">Where it is.</param>
/// <param name="Samples">At 16 kHz; the last piece's may end within its last frame.</param>
public readonly record struct SoundPiece(Piece Piece, float[] Samples);

/// <summary>The sound of a recording, piece by piece; memory does not grow with its length.</summary>
/// <param name="cutter">Says where the pieces are; of this recording alone.</param>
public sealed class SoundCutter(PieceCutter cutter)
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
    public IEnumerable<SoundPiece> Read(SoundReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        while (Take(reader))
        {
            while (cutter.TryNext(ended: false, out Piece piece))
                yield return Cut(piece);
        }
        if (End == 0)
            throw new InputException("holds no samples");
        while (cutter.TryNext(ended: true, out Piece piece))
            yield return Cut(piece);
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

    private SoundPiece Cut(Piece piece)
    {
        long from = piece.Start * Hop, to = Math.Min(piece.End * Hop, End);
        float[] samples = [.. held[(int)(from - first)..(int)(to - first)]];
        int dropped = (int)(Math.Min(cutter.Start * Hop, End) - first);
        held.RemoveRange(0, dropped);
        first += dropped;
        return new SoundPiece(piece, samples);
    }
}
