using Ds2.Runtime.Data;

namespace Ds2.Runtime.Recognition.Long;

/// <summary>Cuts a recording where nobody speaks, into pieces like the utterances that the model was trained on, of at most half a minute.</summary>
/// <remarks>
/// Frames are quiet that lie less than 10 dB above the quietest hundredth of the window, and at least 20 dB under its loudest twentieth; without so much between, as under music, nothing is quiet.
/// Digital silence always is, and says nothing of how loud a room's silence is. A pause of 0.4 s ends a piece; else the pause does, of those nearly as long as the longest within 2.5 typical
/// utterances, that is best by its own length and the piece's. Where the window has no pause at all, the piece ends in the middle of speech and the next one begins some seconds before that end.
/// Of a long silence, the piece before and the one after have no more than utterances have: what a room gives, up to where it is digital, and of that a tenth of a second.
/// A recording of at most half a minute is one piece.
/// </remarks>
/// <param name="usual">What the model's training utterances were like; null where that is not known.</param>
public sealed class PieceCutter(TypicalUtterance? usual = null)
{
    /// <summary>The longest piece, in frames.</summary>
    public const int MostFrames = 3000;

    /// <summary>How much two pieces have in common where there is no pause, in frames.</summary>
    public const int Overlap = 400;

    /// <summary>The level of a frame of digital silence.</summary>
    public const float Digital = float.NegativeInfinity;

    /// <summary>A typical utterance where nothing is known of it.</summary>
    private const double UnknownSeconds = 10;

    // The closure of a stop is quiet for a tenth of a second, but not digitally.
    private const int LeastPause = 15, LeastDigitalPause = 5, LongPause = 40, LeastPiece = 100;
    private const int KeptOfDigital = 10, MostRoom = 100;
    private const float AboveFloor = 10, UnderPeak = 20, Forgotten = 6;

    /// <summary>A pause that ends a piece is no shorter than this part of the longest that could.</summary>
    private const double NearlyLongest = 0.6;

    /// <summary>How far, in typical utterances, the end of an utterance is looked for.</summary>
    private const double Near = 2.5;

    /// <summary>The pause, in frames, that is as good for a typical utterance's end as none is bad.</summary>
    private const double FairPause = 10;

    private readonly double typical = 100 * (usual?.Seconds ?? UnknownSeconds);

    /// <summary>A model that is used to digital silence next to speech wants little else there.</summary>
    private readonly int keptOfRoom = usual?.EdgeSilence >= 0.01 ? 5 : 30;

    private readonly List<float> levels = [];
    private long start;
    private bool overlaps, any, trimmed;
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
            // Silence that goes on beyond what has come may end in speech yet.
            int skipped = ended && silence == levels.Count ? silence : trimmed ? 0 : silence - KeptBefore(new Pause(0, silence));
            if (skipped > 0)
            {
                Skip(skipped);
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
        List<Pause> pauses = Pauses(window, quiet);
        bool isRest = ended && levels.Count <= MostFrames;
        double near = Math.Min(window, Near * typical);
        double longest = isRest && levels.Count <= near ? LongPause : 0;
        if (pauses.Count > 0 && longest == 0)
            longest = NearlyLongest * pauses.Where((pause, i) => i == 0 || pause.From <= near).Max(pause => pause.Length);
        double enough = Math.Min(LongPause, longest), bestCost = isRest ? levels.Count : double.PositiveInfinity;
        Pause? best = null;
        foreach (Pause pause in pauses)
        {
            if (pause.From > near && best is not null)
                break;
            if (pause.Length < enough || Cost(pause) >= bestCost)
                continue;
            (best, bestCost) = (pause, Cost(pause));
            if (pause.Length >= LongPause)
                break;
        }
        if (best is { } found)
            return CutAt(found);
        return isRest ? Take(levels.Count, levels.Count, false) : Take(MostFrames, MostFrames - Overlap, true);
    }

    /// <summary>How bad a pause is for the end of the piece: short pieces and long pauses are good, and it is for short pauses that a piece may grow.</summary>
    private double Cost(Pause pause)
    {
        double shortness = typical * FairPause / pause.Length;
        return pause.From + shortness * shortness / pause.From;
    }

    /// <summary>The pauses of the window that may end a piece.</summary>
    private List<Pause> Pauses(int window, float quiet)
    {
        var pauses = new List<Pause>();
        int first = Math.Max((int)Math.Min(LeastPiece, typical / 4), overlaps ? Overlap + LeastPause : 1);
        for (int at = first; at < window; at++)
        {
            var pause = new Pause(at, Math.Min(window, at + Run(at, quiet)));
            if (pause.Length >= LeastPause || LongestDigital(pause) >= LeastDigitalPause)
                pauses.Add(pause);
            at = Math.Max(at, pause.To);
        }
        return pauses;
    }

    private Piece CutAt(Pause pause)
    {
        int end = pause.From + KeptAfter(pause), next = pause.To - KeptBefore(pause);
        if (end > next)
            end = next = (end + next) / 2;
        bool isWhole = pause.To < Math.Min(levels.Count, MostFrames);
        Piece piece = Take(end, next, false);
        trimmed = isWhole;
        return piece;
    }
    /// <summary>How much of a pause belongs to the speech before it.</summary>
    private int KeptAfter(Pause pause) => Kept(pause.Length, i => levels[pause.From + i]);

    /// <summary>How much of a pause belongs to the speech that follows.</summary>
    private int KeptBefore(Pause pause) => Kept(pause.Length, i => levels[pause.To - 1 - i]);

    private int Kept(int length, Func<int, float> levelFromSpeech)
    {
        int room = 0, digital = 0;
        while (room < length && levelFromSpeech(room) > Digital)
            room++;
        if (room > length / 2 || room > MostRoom)
            return Math.Min(length, keptOfRoom);
        while (room + digital < length && digital < KeptOfDigital && levelFromSpeech(room + digital) == Digital)
            digital++;
        return room + digital;
    }

    private Piece Take(int length, int next, bool nextOverlaps)
    {
        var piece = new Piece(start, start + length, overlaps);
        Skip(next);
        (overlaps, any, trimmed) = (nextOverlaps, true, false);
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

    private int LongestDigital(Pause pause)
    {
        int longest = 0, run = 0;
        for (int at = pause.From; at < pause.To; at++)
        {
            run = levels[at] == Digital ? run + 1 : 0;
            longest = Math.Max(longest, run);
        }
        return longest;
    }

    /// <summary>The level up to which the frames of a window are quiet.</summary>
    private float Quiet(int window)
    {
        // A frame beside digital silence may be filled with it in part: it says nothing of the room either.
        float[] sorted = [.. levels.Take(window).Where((_, at) => levels[Math.Max(0, at - 1)] > Digital && levels[at] > Digital && levels[Math.Min(at + 1, levels.Count - 1)] > Digital)];
        if (sorted.Length == 0)
            return Digital;
        Array.Sort(sorted);
        float floor = sorted[sorted.Length / 100], loud = sorted[Math.Min(sorted.Length - 1, sorted.Length - sorted.Length / 20)];
        // A window of silence alone knows nothing of speech: what was heard before counts on for a while.
        peak = Math.Max(loud, peak - Forgotten);
        float quiet = Math.Min(floor + AboveFloor, peak - UnderPeak);
        return quiet < floor ? Digital : quiet;
    }

    /// <summary>Quiet frames, from <paramref name="From"/> to before <paramref name="To"/>.</summary>
    private readonly record struct Pause(int From, int To)
    {
        public int Length => To - From;
    }
}
