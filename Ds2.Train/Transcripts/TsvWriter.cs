using System.Globalization;
using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>A table, as whisper has it: start and end in milliseconds, and the text of each segment, with a header row. Tabs and line ends in a text become spaces; nothing is quoted.</summary>
internal sealed class TsvWriter : ITranscriptWriter
{
    /// <inheritdoc/>
    public void Write(Transcription transcription, TextWriter writer)
    {
        writer.Write("start\tend\ttext\n");
        foreach (Segment segment in transcription.Segments)
        {
            string text = DisplayText.OneLine(segment.Text);
            if (text.Length > 0)
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"{SpokenWord.Milliseconds(segment.Start)}\t{SpokenWord.Milliseconds(segment.End)}\t{text}\n"));
        }
    }
}
