namespace Ds2.Train.Transcripts;

/// <summary>What has written a recording down, by the names of its files.</summary>
/// <param name="Model">The model.</param>
/// <param name="LanguageModel">The language model; null for none.</param>
internal sealed record TranscribedBy(string Model, string? LanguageModel = null);
