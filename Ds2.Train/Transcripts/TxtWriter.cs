using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>Plain text: a line a segment, as whisper has it.</summary>
internal sealed class TxtWriter : ITranscriptWriter
{
    /// <inheritdoc/>
    public void Write(Transcription transcription, TextWriter writer)
    {
        foreach (string line in transcription.Segments.Select(segment => DisplayText.OneLine(segment.Text)).Where(line => line.Length > 0))
            writer.Write(line + "\n");
    }
}
