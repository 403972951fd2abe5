using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>A word as the formats with times write it.</summary>
/// <param name="Text">On one line, not empty.</param>
/// <param name="Before">What stands between it and the word before it, where they share a line.</param>
/// <param name="Start">In milliseconds; not before the end of the word before it.</param>
/// <param name="End">In milliseconds; not before <paramref name="Start"/>.</param>
/// <param name="Confidence">0 to 1, or null where it is not known.</param>
internal sealed record SpokenWord(string Text, string Before, long Start, long End, double? Confidence)
{
    /// <summary>The words of each segment. Where a segment has no words with times, those of its text share its time by their lengths.</summary>
    /// <remarks>Times are rounded, and moved so that no word begins before the one before it has ended: segments that were stitched may overlap by a little.</remarks>
    public static IReadOnlyList<IReadOnlyList<SpokenWord>> OfSegments(Transcription transcription)
    {
        string before = transcription.Separator;
        long last = 0;
        var segments = new List<IReadOnlyList<SpokenWord>>(transcription.Segments.Count);
        foreach (Segment segment in transcription.Segments)
        {
            IEnumerable<SpokenWord> words = segment.Words.Count > 0
                ? segment.Words.Select(word => new SpokenWord(DisplayText.OneLine(word.Text), before, Milliseconds(word.Start), Milliseconds(word.End), word.Confidence))
                : Share(WordsOf(segment.Text, before), before, Milliseconds(segment.Start), Milliseconds(segment.End));
            var ordered = new List<SpokenWord>();
            foreach (SpokenWord word in words.Where(word => word.Text.Length > 0))
            {
                long start = Math.Max(word.Start, last);
                last = Math.Max(word.End, start);
                ordered.Add(word with { Start = start, End = last });
            }

            segments.Add(ordered);
        }

        return segments;
    }

    /// <summary>Parts that follow each other, each with as much of the time as it has of the text.</summary>
    public static IEnumerable<SpokenWord> Share(IReadOnlyList<string> parts, string before, long start, long end, double? confidence = null)
    {
        long length = parts.Sum(part => part.Length), done = 0;
        foreach (string part in parts)
        {
            long from = start + (end - start) * done / length;
            done += part.Length;
            yield return new SpokenWord(part, before, from, start + (end - start) * done / length, confidence);
        }
    }

    /// <summary>Seconds as whole milliseconds, none before the recording's start.</summary>
    public static long Milliseconds(double seconds) => (long)Math.Round(Math.Max(seconds, 0) * 1000);

    private static string[] WordsOf(string text, string separator)
    {
        string[] words = DisplayText.OneLine(text).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return separator.Length > 0 ? words : [.. words.SelectMany(DisplayText.Characters)];
    }
}
