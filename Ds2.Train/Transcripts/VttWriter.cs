using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>WebVTT subtitles, as browsers show them.</summary>
internal sealed class VttWriter : ITranscriptWriter
{
    /// <inheritdoc/>
    public void Write(Transcription transcription, TextWriter writer)
    {
        writer.Write("WEBVTT\n");
        foreach (Cue cue in CueCutter.Cut(transcription))
        {
            writer.Write($"\n{Cue.Time(cue.Start, '.')} --> {Cue.Time(cue.End, '.')}\n");
            foreach (string line in cue.Lines)
                writer.Write(Text(line) + "\n");
        }
    }

    /// <summary>A line as the file has it. Without a > there is no arrow in it either, which would begin another cue.</summary>
    public static string Text(string line) =>
        line.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);
}
