namespace Ds2.Train.Transcripts;

/// <summary>What a subtitle shows at a time.</summary>
/// <param name="Start">In milliseconds.</param>
/// <param name="End">In milliseconds, after <paramref name="Start"/> and not after the next cue's.</param>
/// <param name="Lines">One or two lines, none of them empty.</param>
internal sealed record Cue(long Start, long End, IReadOnlyList<string> Lines)
{
    /// <summary>A time as subtitles write it, <c>HH:MM:SS,mmm</c>, with as many digits of hours as it takes.</summary>
    /// <param name="milliseconds">Not negative.</param>
    /// <param name="point">What stands before the milliseconds: SubRip has a comma, WebVTT a point.</param>
    public static string Time(long milliseconds, char point)
    {
        (long seconds, long rest) = Math.DivRem(milliseconds, 1000);
        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{seconds / 3600:00}:{seconds / 60 % 60:00}:{seconds % 60:00}{point}{rest:000}");
    }
}
