using System.Globalization;
using System.Text.RegularExpressions;
using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>SubRip subtitles.</summary>
/// <remarks>
/// The format has no escapes, while players take <c>&lt;b&gt;</c>, <c>{\an8}</c> and <c>\N</c> for markup: where a text has such a sign, an invisible word joiner (U+2060) behind it keeps it text.
/// </remarks>
internal sealed partial class SrtWriter : ITranscriptWriter
{
    /// <inheritdoc/>
    public void Write(Transcription transcription, TextWriter writer)
    {
        int number = 0;
        foreach (Cue cue in CueCutter.Cut(transcription))
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"{++number}\n{Cue.Time(cue.Start, ',')} --> {Cue.Time(cue.End, ',')}\n"));
            foreach (string line in cue.Lines)
                writer.Write(Text(line) + "\n");
            writer.Write("\n");
        }
    }

    /// <summary>A line as the file has it.</summary>
    public static string Text(string line) => MarkupPattern().Replace(line, "$0\u2060");

    [GeneratedRegex(@"[<{\\](?=[^ ])")]
    private static partial Regex MarkupPattern();
}
