using Ds2.Train.Transcripts;

namespace Ds2.Train.Commands.Transcription;

/// <summary>A recording of the command line, and what its texts are called.</summary>
/// <param name="Path">The file as the user named it; <c>-</c> for standard input.</param>
/// <param name="Name">What tells it from the others of the command line: its path below the folder that was named, without the ending where that is enough.</param>
/// <param name="Target">The path of its texts without a format's ending.</param>
internal sealed record ListedRecording(string Path, string Name, string Target)
{
    /// <summary>The path of its text in a format.</summary>
    public string TextOf(TranscriptFormat format) => Target + format.FileEnding;
}
