using Ds2.Runtime.Decoding.Alignment;
using Ds2.Runtime.Recognition;
using Ds2.Train.Transcripts;

namespace Ds2.Tests.Transcripts;

/// <summary>Transcriptions to write down.</summary>
internal static class Samples
{
    /// <summary>Two segments: one with its words' times, one without.</summary>
    public static Transcription Small { get; } = new(
        "talks/first day.flac", 12.5, " ",
        [
            new Segment(0.48, 1.7, "hello <b>world", [new TimedWord("hello", 0.48, 0.9, 0.98765), new TimedWord("<b>world", 1.1, 1.7, 0.5)], []),
            new Segment(3, 5.1004, "good & bad", [], [new("good & bad", -1.23456, 0, 3, 0, 0, -1.23456), new("could & \"bad\"", -2.5, 0, 3, 0, 0, -2.5)]),
        ]);

    /// <summary>Nothing was said.</summary>
    public static Transcription Silence { get; } = new("silence.wav", 3, " ", []);

    /// <summary>One segment of a text without words' times.</summary>
    public static Transcription Of(string text, double seconds = 4, string separator = " ") => new("a.wav", seconds, separator, [new Segment(0, seconds, text, [], [])]);

    /// <summary>One segment of words, each a fifth of a second long, a tenth after the one before it.</summary>
    public static Transcription OfWords(params string[] words) => new(
        "a.wav", words.Length, " ", [new Segment(0, words.Length * 0.3, string.Join(' ', words), [.. words.Select((word, i) => new TimedWord(word, i * 0.3, i * 0.3 + 0.2))], [])]);

    /// <summary>Any words, pauses and segments, also odd ones: hours long, of long words, of Chinese, with words that overlap or take no time.</summary>
    public static Transcription Random(Random random)
    {
        string separator = random.Next(5) == 0 ? "" : " ";
        string[] letters = separator.Length == 0 ? ["你", "好", "世", "a"] : ["a", "b", "é", "<", "&", "-->", "\U0001F600"];
        int longest = separator.Length == 0 ? 1 : random.Next(8) == 0 ? 120 : 9;
        double time = random.Next(6) == 0 ? 400_000 : random.NextDouble();
        var segments = new List<Segment>();
        for (int s = random.Next(6); s > 0; s--)
        {
            var words = new List<TimedWord>();
            time += random.NextDouble() * 2;
            double start = time;
            for (int w = random.Next(1, 60); w > 0; w--)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(1, longest + 1)).Select(_ => letters[random.Next(letters.Length)]));
                double length = random.Next(20) switch { 0 => 0, 1 => 9, _ => 0.02 * text.Length };
                words.Add(new TimedWord(text, Math.Max(time - (random.Next(9) == 0 ? 0.03 : 0), 0), time + length));
                time += length + (random.Next(9) == 0 ? random.NextDouble() * 2 : 0.04);
            }

            segments.Add(new Segment(start, words[^1].End, string.Join(separator, words.Select(word => word.Text)), random.Next(4) == 0 ? [] : words, []));
        }

        return new Transcription("r.wav", time, separator, segments);
    }

    /// <summary>What a format makes of it.</summary>
    public static string Written(this Transcription transcription, string format, TranscribedBy? by = null, string? name = null)
    {
        using var writer = new StringWriter { NewLine = "\r\n" }; // as on Windows: the formats do not go by it
        TranscriptFormat.Parse(format).Writer(by, name).Write(transcription, writer);
        return writer.ToString();
    }
}
