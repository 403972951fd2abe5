namespace Ds2.Runtime.Recognition.Long;

/// <summary>What became of a recording.</summary>
/// <param name="Source">The recording.</param>
/// <param name="Transcription">What was said in it; null where it could not be read.</param>
/// <param name="Fault">Why it could not be read; null where it could.</param>
public sealed record TranscriptionOutcome(RecordingSource Source, Transcription? Transcription, InputException? Fault);
