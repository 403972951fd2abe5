using Ds2.Runtime.Files;
using Ds2.Runtime.Recognition.Long;
using Ds2.Train.Transcripts;

namespace Ds2.Train.Commands.Transcription;

/// <summary>A recording and the texts of it that are to be written.</summary>
/// <param name="Recording">The recording.</param>
/// <param name="Formats">Of each text; none where all are there.</param>
internal sealed record RecordingTexts(ListedRecording Recording, IReadOnlyList<TranscriptFormat> Formats)
{
    /// <summary>Those of all formats, but for the files that are there if these are kept.</summary>
    public static RecordingTexts Of(ListedRecording recording, IEnumerable<TranscriptFormat> formats, bool keeps) =>
        new(recording, [.. formats.Where(format => !keeps || !File.Exists(recording.TextOf(format)))]);

    /// <summary>What is heard.</summary>
    /// <param name="rate">Of raw PCM on standard input; null for WAV.</param>
    public RecordingSource Source(int? rate) =>
        Recording.Path == RecordingList.StandardInput ? new RecordingSource(Recording.Path, () => StandardInput.Open(Recording.Path), rate) : new RecordingSource(Recording.Path);
}
