using Ds2.Runtime.Audio;
using Ds2.Runtime.Data;
using Ds2.Runtime.Features;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>A recording that is to be written down.</summary>
/// <param name="Name">The file, as the user named it; <c>-</c> for standard input.</param>
/// <param name="Input">Opens standard input, for the one that comes from there, when its turn has come: what is wrong with it is this recording's fault alone; null for a file.</param>
/// <param name="Rate">The rate of raw PCM on standard input; null for WAV.</param>
public sealed record RecordingSource(string Name, Func<Stream>? Input = null, int? Rate = null)
{
    /// <summary>What lies between the quietest and the loudest twentieth of a recording, in decibels.</summary>
    private const float SpeechRange = 40;

    /// <summary>The features of its pieces, and what its length turned out to be.</summary>
    /// <exception cref="InputException">It cannot be read.</exception>
    /// <param name="extractor">Makes the features that the model was trained on.</param>
    /// <param name="typical">What it was trained on; null where that is not known.</param>
    /// <param name="length">Told the length, in seconds.</param>
    internal IEnumerable<HeardPiece> Pieces(FeatureExtractor extractor, TypicalUtterance? typical, Action<double> length)
    {
        var cutter = new PieceCutter(typical);
        if (Input is null && CoefficientFile.IsOne(Name))
        {
            FeatureMatrix all = extractor.FromFile(Name);
            length(all.Frames / 100.0);
            foreach (Piece piece in Cut(all, cutter))
                yield return new HeardPiece(piece, extractor.Normalize(Part(all, piece)), piece.Start / 100.0);
            yield break;
        }
        using SoundReader reader = Input is null ? SoundReader.Open(Name) : SoundReader.Open(Input(), Name, Rate);
        var sound = new SoundCutter(cutter);
        var pieces = new SoundPieces(extractor, sound, typical?.EdgeSilence is { } usual ? new SoundEdges((int)Math.Round(usual * AudioFile.SampleRate)) : null);
        foreach (HeardPiece piece in pieces.Read(reader))
            yield return piece;
        length(sound.Seconds);
    }

    /// <summary>Coefficients are cut by their first, which is the level; rendered rows, by their mean.</summary>
    private static List<Piece> Cut(FeatureMatrix all, PieceCutter cutter)
    {
        var levels = new float[all.Frames];
        for (int row = 0; row < (all.Rows == CoefficientFile.Coefficients ? 1 : all.Rows); row++)
        {
            ReadOnlySpan<float> values = all.Row(row);
            for (int t = 0; t < levels.Length; t++)
                levels[t] += values[t];
        }
        // What unit they are in depends on the program that made them: decibels or natural logarithms, summed or averaged. Between speech and silence lie some 40 dB.
        float[] sorted = [.. levels];
        Array.Sort(sorted);
        float range = sorted[^(1 + sorted.Length / 20)] - sorted[sorted.Length / 20];
        for (int t = 0; t < levels.Length && range > 0; t++)
            levels[t] *= SpeechRange / range;
        cutter.Add(levels);
        var pieces = new List<Piece>();
        while (cutter.TryNext(ended: true, out Piece piece))
            pieces.Add(piece);
        return pieces;
    }

    private static FeatureMatrix Part(FeatureMatrix all, Piece piece)
    {
        int frames = (int)(piece.End - piece.Start);
        var part = new FeatureMatrix(new float[all.Rows * frames], all.Rows, frames);
        for (int row = 0; row < all.Rows; row++)
            all.Row(row).Slice((int)piece.Start, frames).CopyTo(part.Row(row));
        return part;
    }
}
