using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>Cuts a transcription into subtitles that can be read: at most two lines of <see cref="LineWidth"/> columns, at most <see cref="Longest"/> milliseconds.</summary>
/// <remarks>
/// A cue ends where its segment does and before a pause of <see cref="Pause"/>; what lies between is cut by <see cref="CueRun"/>. A cue that would be gone within
/// <see cref="Shortest"/> stays until then, as far as the next one and the recording's end allow. A word that is longer than a line is cut into several.
/// </remarks>
internal static class CueCutter
{
    /// <summary>Columns of a line.</summary>
    public const int LineWidth = 42;

    /// <summary>The longest time that a cue is shown, in milliseconds.</summary>
    public const int Longest = 7000;

    /// <summary>The shortest time that a cue is shown where there is room, in milliseconds.</summary>
    public const int Shortest = 1000;

    /// <summary>A pause that no cue goes across, in milliseconds.</summary>
    public const int Pause = 1000;

    /// <summary>The cues in order, none overlapping another.</summary>
    public static IReadOnlyList<Cue> Cut(Transcription transcription)
    {
        List<Cue> cues =
        [
            .. SpokenWord.OfSegments(transcription).SelectMany(words => Runs([.. words.SelectMany(Lines)])).SelectMany(run => new CueRun(run).Cut()),
        ];
        long end = 0;
        for (int i = 0; i < cues.Count; i++)
        {
            long start = Math.Max(cues[i].Start, end);
            long room = i + 1 < cues.Count ? cues[i + 1].Start : SpokenWord.Milliseconds(transcription.Seconds);
            end = Math.Max(Math.Min(cues[i].End, start + Longest), Math.Min(start + Shortest, room));
            end = Math.Max(end, start + 1); // words that take no time are shown all the same
            cues[i] = cues[i] with { Start = start, End = end };
        }

        return cues;
    }

    /// <summary>The word; one that no line holds, in parts that lines hold.</summary>
    private static IEnumerable<SpokenWord> Lines(SpokenWord word)
    {
        if (DisplayText.Width(word.Text) <= LineWidth)
            return [word];
        var parts = new List<string> { "" };
        foreach (string character in DisplayText.Characters(word.Text))
        {
            if (DisplayText.Width(parts[^1]) + DisplayText.Width(character) > LineWidth)
                parts.Add("");
            parts[^1] += character;
        }

        return SpokenWord.Share(parts, "", word.Start, word.End).Select((part, i) => i == 0 ? part with { Before = word.Before } : part);
    }

    /// <summary>The words between one long pause and the next.</summary>
    private static IEnumerable<SpokenWord[]> Runs(SpokenWord[] words)
    {
        int first = 0;
        for (int i = 1; i <= words.Length; i++)
        {
            if (i < words.Length && words[i].Start - words[i - 1].End < Pause)
                continue;
            yield return words[first..i];
            first = i;
        }
    }
}
