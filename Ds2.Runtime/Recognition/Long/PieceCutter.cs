namespace Ds2.Runtime.Recognition.Long;

/// <summary>Cuts a recording where nobody speaks, into pieces of at most half a minute.</summary>
/// <remarks>
/// Frames are quiet that lie less than 10 dB above the quietest hundredth of the window, and at least 20 dB under its loudest twentieth; without so much between, as under music, nothing is quiet.
/// The longer a piece has become, the shorter a pause ends it: 0.4 s within its first three seconds, 0.15 s after fifteen. Where the window has none that is long enough for its place, the
/// longest ends the piece; where it has none at all, the piece ends in the middle of speech and the next one begins some seconds before that end.
/// Silence beyond a tenth of a second on each side of a cut belongs to no piece: more of it than the utterances have that a model was trained on changes what it hears, most of all
/// where it is digital, as it weighs in the normalization. A recording of at most half a minute is one piece.
/// </remarks>
public sealed class PieceCutter
{
    /// <summary>The longest piece, in frames.</summary>
    public const int MostFrames = 3000;

    /// <summary>How much two pieces have in common where there is no pause, in frames.</summary>
    public const int Overlap = 400;

    private const int LeastPause = 15, LongPause = 40, ShortPieces = 300, LongPieces = 1500, LeastPiece = 100, Kept = 10;
    private const float AboveFloor = 10, UnderPeak = 20, Forgotten = 6;

    private readonly List<float> levels = [];
    private long start;
    private bool overlaps, any;
    private float peak = float.NegativeInfinity;

    /// <summary>The first frame that is still needed.</summary>
    public long Start => start;

    /// <summary>Takes the levels of the next frames, in decibels.</summary>
    public void Add(ReadOnlySpan<float> decibels) => levels.AddRange(decibels);

    /// <summary>The next piece, as soon as it can be told.</summary>
    /// <param name="ended">Whether all frames have been added.</param>
    /// <param name="piece">The piece.</param>
    public bool TryNext(bool ended, out Piece piece)
    {
        piece = default;
        while (levels.Count > MostFrames || ended && levels.Count > 0)
        {
            if (ended && !any && levels.Count <= MostFrames)
            {
                piece = Take(levels.Count, levels.Count, false);
                return true;
            }
            int window = Math.Min(levels.Count, MostFrames);
            float quiet = Quiet(window);
            int silence = overlaps ? 0 : Run(0, quiet);
            bool last = ended && silence == levels.Count;
            if (silence > Kept || last)
            {
                // Nothing of it is needed but what leads into speech; silence that goes on beyond the window may end in speech yet.
                Skip(last ? silence : silence - Kept);
                any = true;
                continue;
            }
            piece = Cut(window, quiet, ended);
            return true;
        }
        return false;
    }

    private Piece Cut(int window, float quiet, bool ended)
    {
        (int From, int To)? longest = null;
        int first = Math.Max(LeastPiece, overlaps ? Overlap + LeastPause : 0);
        for (int at = first; at < window; at++)
        {
            int to = at + Run(at, quiet);
            if (to - at >= LeastPause && (ended || to < levels.Count))
            {
                if (to - at >= Needed(at))
                    return CutAt((at, to));
                if (longest is not { } known || to - at > known.To - known.From)
                    longest = (at, to);
            }
            at = Math.Max(at, to);
        }
        if (ended && levels.Count <= MostFrames)
            return Take(levels.Count, levels.Count, false);
        return longest is { } pause ? CutAt(pause) : Take(MostFrames, MostFrames - Overlap, true);
    }

    private Piece CutAt((int From, int To) pause)
    {
        int middle = (pause.From + pause.To) / 2;
        return Take(Math.Min(Math.Min(pause.From + Kept, middle), MostFrames), Math.Max(pause.To - Kept, middle), false);
    }

    private Piece Take(int length, int next, bool nextOverlaps)
    {
        var piece = new Piece(start, start + length, overlaps);
        Skip(next);
        (overlaps, any) = (nextOverlaps, true);
        return piece;
    }

    private void Skip(int frames)
    {
        levels.RemoveRange(0, frames);
        start += frames;
    }

    /// <summary>Frames from here on that are quiet.</summary>
    private int Run(int at, float quiet)
    {
        int from = at;
        while (at < levels.Count && levels[at] <= quiet)
            at++;
        return at - from;
    }

    private static double Needed(int at) =>
        LongPause - (LongPause - LeastPause) * Math.Clamp((double)(at - ShortPieces) / (LongPieces - ShortPieces), 0, 1);

    /// <summary>The level up to which the frames of a window are quiet.</summary>
    private float Quiet(int window)
    {
        float[] sorted = [.. levels[..window]];
        Array.Sort(sorted);
        float floor = sorted[window / 100], loud = sorted[Math.Min(window - 1, window - window / 20)];
        // A window of silence alone knows nothing of speech: what was heard before counts on for a while.
        peak = Math.Max(loud, peak - Forgotten);
        float quiet = Math.Min(floor + AboveFloor, peak - UnderPeak);
        return quiet < floor ? float.NegativeInfinity : quiet;
    }
}
