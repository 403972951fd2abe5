using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Ds2.Runtime.Recognition;

namespace Ds2.Train.Transcripts;

/// <summary>All that is known, as one indented object: docs/transcript.schema.json describes it.</summary>
/// <param name="by">What is said to have transcribed; null: nothing is said.</param>
internal sealed class JsonWriter(TranscribedBy? by) : ITranscriptWriter
{
    /// <summary>The format's version: another where a program that reads this one would be wrong. A new property alone is no new version.</summary>
    public const int Version = 1;

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // texts stay readable; nobody pastes the file into HTML
    };

    /// <inheritdoc/>
    public void Write(Transcription transcription, TextWriter writer)
    {
        var document = new Document(
            Version, transcription.Source, Time(transcription.Seconds), by?.Model, by?.LanguageModel, transcription.Text,
            transcription.Segments.Select(segment => new Part(
                Time(segment.Start), Time(segment.End), segment.Text,
                segment.Words.Count == 0 ? null : segment.Words.Select(word => new Word(
                    word.Text, Time(word.Start), Time(word.End), word.Confidence is { } confidence ? Math.Round(confidence, 4) : null)),
                segment.Alternatives.Count == 0 ? null : segment.Alternatives.Select(alternative => new Alternative(
                    alternative.Text, Math.Round(alternative.LogProbability, 4), Math.Round(alternative.Score, 4))))));
        writer.Write(JsonSerializer.Serialize(document, Options) + "\n");
    }

    private static double Time(double seconds) => Math.Round(seconds, 3);

    private sealed record Document(int Version, string File, double Seconds, string? Model, string? LanguageModel, string Text, IEnumerable<Part> Segments);

    private sealed record Part(double Start, double End, string Text, IEnumerable<Word>? Words, IEnumerable<Alternative>? Alternatives);

    private sealed record Word([property: JsonPropertyName("word")] string Text, double Start, double End, double? Confidence);

    private sealed record Alternative(string Text, double LogProbability, double Score);
}
