using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>Writes a transcription down in one of the formats of <see cref="TranscriptFormat"/>.</summary>
internal interface ITranscriptWriter
{
    /// <summary>Writes it whole, lines ending in LF on every system. The writer stays open; what it encodes to should be UTF-8 without a byte order mark.</summary>
    void Write(Transcription transcription, TextWriter writer);
}
