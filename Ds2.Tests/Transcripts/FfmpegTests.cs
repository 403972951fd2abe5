using System.Globalization;
using System.Text.RegularExpressions;
using Ds2.Runtime.Recognition;
using Ds2.Tests.Data;
using Ds2.Train.Transcripts;

namespace Ds2.Tests.Transcripts;

/// <summary>ffmpeg reads the subtitles, and writes them in the other format with the same cues.</summary>
public sealed partial class FfmpegTests
{
    /// <summary>One transcription of many kinds of cues: one line and two, digits alone, what could be taken for markup, hours beyond 99.</summary>
    private static Transcription Cues
    {
        get
        {
            string[] texts =
            [
                "hello", "12", "a --> b", "<b>bold</b> <i> & &amp; 1 < 2 > 0", "\U0001F600 \"q\" 'z' żółw 你好",
                string.Join(' ', Enumerable.Repeat("many words", 30)), new string('x', 100), "3 4\n5",
            ];
            return new Transcription(
                "a.wav", 360_100, " ", [.. texts.Select((text, i) => new Segment(i * 30, i * 30 + 20, text, [], [])), new Segment(360_000, 360_001, "late", [], [])]);
        }
    }

    private static (long Start, long End, string Text)[] Expected(Func<string, string> text) => [.. CueCutter.Cut(Cues).Select(cue => (cue.Start, cue.End, text(string.Join('\n', cue.Lines))))];

    [Test]
    public void Srt_BecomesVtt_WithTheSameCues() => Assert.That(Converted("srt", "vtt"), Is.EqualTo(Expected(SrtWriter.Text)));

    /// <summary>The texts are then those that were said: ffmpeg has taken the escapes away.</summary>
    [Test]
    public void Vtt_BecomesSrt_WithTheSameCues() => Assert.That(Converted("vtt", "srt").Select(Unescaped), Is.EqualTo(Expected(text => text).Select(Unescaped)));

    /// <summary>ffmpeg 5.1 leaves &amp;amp; as it is in SubRip, which has no escapes.</summary>
    private static (long Start, long End, string Text) Unescaped((long Start, long End, string Text) cue) => cue with { Text = cue.Text.Replace("&amp;", "&") };

    [Test]
    public void Srt_TextLikeMarkup_StaysText()
    {
        string[] texts = ["{\\an8} up", "one\\Ntwo \\h", "{c:$0000ff} {y:i} x", "<font color=red>x</font> </i>"];
        var transcription = new Transcription("a.wav", 20, " ", [.. texts.Select((text, i) => new Segment(5 * i, 5 * i + 4, text, [], []))]);
        Assert.That(Converted(transcription, "srt", "srt").Select(cue => cue.Text.Replace("\u2060", "")), Is.EqualTo(texts));
    }

    [Test]
    public void Silence_IsRead() => Assert.That(Converted(Samples.Silence, "vtt", "srt"), Is.Empty);

    private static (long Start, long End, string Text)[] Converted(string from, string to) => Converted(Cues, from, to);

    private static (long Start, long End, string Text)[] Converted(Transcription transcription, string from, string to)
    {
        using var folder = new TempFolder();
        string input = folder.Write("in." + from, transcription.Written(from)), output = folder["out." + to];
        (int code, string said) = Readers.Run("ffmpeg", "ffmpeg (Debian package ffmpeg)", "-v", "error", "-nostdin", "-i", input, output);
        Assert.That((code, said), Is.EqualTo((0, "")));
        return
        [
            .. CuePattern().Matches(File.ReadAllText(output).ReplaceLineEndings("\n")).Select(match => (Time(match.Groups[1].Value), Time(match.Groups[2].Value), match.Groups[3].Value.TrimEnd('\n'))),
        ];
    }

    /// <summary>Milliseconds of [HH:]MM:SS.mmm.</summary>
    private static long Time(string text) => (long)Math.Round(
        1000 * text.Replace(',', '.').Split(':').Aggregate(0.0, (sum, part) => 60 * sum + double.Parse(part, CultureInfo.InvariantCulture)));

    [GeneratedRegex(@"^([\d:.,]+) --> ([\d:.,]+)\n((?:.+\n)+)", RegexOptions.Multiline)]
    private static partial Regex CuePattern();
}
