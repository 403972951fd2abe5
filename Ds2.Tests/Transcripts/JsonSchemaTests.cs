using System.Text.Json;
using Ds2.Runtime.Recognition;
using Ds2.Tests.Data;
using Ds2.Train.Transcripts;

namespace Ds2.Tests.Transcripts;

/// <summary>docs/transcript.schema.json describes what is written, all of it and nothing else.</summary>
public sealed class JsonSchemaTests
{
    private static readonly JsonSchema Schema = new("transcript.schema.json");

    private static IEnumerable<Transcription> Transcriptions
    {
        get
        {
            var random = new Random(2);
            return [Samples.Small, Samples.Silence, Samples.Of("half \uD83D, \"quoted\"\t\\ \0"), .. Enumerable.Range(0, 10).Select(_ => Samples.Random(random))];
        }
    }

    [Test]
    public void Json_IsWhatTheSchemaSays()
    {
        foreach (Transcription transcription in Transcriptions)
        {
            using JsonDocument written = JsonDocument.Parse(transcription.Written("json", new TranscribedBy("m", "words.lm")));
            Assert.That(Schema.Faults(written.RootElement), Is.Empty);
        }
    }

    [TestCase("\"version\": 1", "\"version\": 2")]
    [TestCase("\"seconds\": 12.5", "\"seconds\": \"12.5\"")]
    [TestCase("\"start\": 0.48", "\"begin\": 0.48")]
    [TestCase("\"confidence\": 0.5", "\"confidence\": 1.5")]
    [TestCase("\"score\": -2.5", "\"score\": null")]
    public void AnythingElse_IsAFault(string from, string to)
    {
        string written = Samples.Small.Written("json");
        Assert.That(written, Does.Contain(from));
        using JsonDocument changed = JsonDocument.Parse(written.Replace(from, to));
        Assert.That(Schema.Faults(changed.RootElement), Is.Not.Empty);
    }

    [Test]
    public void Json_SatisfiesAValidatorOfTheField()
    {
        using var folder = new TempFolder();
        string[] files = [.. Transcriptions.Select((transcription, i) => folder.Write($"{i}.json", transcription.Written("json")))];
        Schema.RequireValidatorsConsent(files);
    }
}
