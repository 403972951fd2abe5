using System.Diagnostics;
using System.Text.Json;
using Ds2.Runtime.Recognition;
using Ds2.Tests.Data;
using Ds2.Tests.Layout;

namespace Ds2.Tests.Transcripts;

/// <summary>docs/transcript.schema.json describes what is written, all of it and nothing else.</summary>
public sealed class JsonSchemaTests
{
    private static string SchemaFile => Path.Combine(Repository.Require(), "docs", "transcript.schema.json");

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
        using JsonDocument schema = JsonDocument.Parse(File.ReadAllText(SchemaFile));
        foreach (Transcription transcription in Transcriptions)
        {
            using JsonDocument written = JsonDocument.Parse(transcription.Written("json", "m"));
            Assert.That(Faults(schema.RootElement, schema.RootElement, written.RootElement, "$"), Is.Empty);
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
        using JsonDocument schema = JsonDocument.Parse(File.ReadAllText(SchemaFile));
        using JsonDocument changed = JsonDocument.Parse(written.Replace(from, to));
        Assert.That(Faults(schema.RootElement, schema.RootElement, changed.RootElement, "$"), Is.Not.Empty);
    }

    [Test]
    public void Json_SatisfiesAValidatorOfTheField()
    {
        using var folder = new TempFolder();
        string[] files = [.. Transcriptions.Select((transcription, i) => folder.Write($"{i}.json", transcription.Written("json")))];
        const string program =
            "import sys, json\n"
            + "try: from jsonschema import Draft202012Validator as Validator\n"
            + "except ImportError: sys.exit(77)\n"
            + "schema = json.load(open(sys.argv[1]))\n"
            + "Validator.check_schema(schema)\n"
            + "for name in sys.argv[2:]: Validator(schema).validate(json.load(open(name, encoding='utf-8')))\n";
        (int code, string output) = Readers.Run("python3", "python3 with jsonschema (Debian package python3-jsonschema)", ["-c", program, SchemaFile, .. files]);
        if (code == 77)
            Assert.Ignore("needs jsonschema for Python (Debian package python3-jsonschema)");
        Assert.That(code, Is.Zero, output);
    }

    /// <summary>As much of JSON Schema as the file uses. A property that it does not name is a fault here: it would be one that nobody has described.</summary>
    private static IEnumerable<string> Faults(JsonElement root, JsonElement schema, JsonElement value, string path)
    {
        foreach (JsonProperty rule in schema.EnumerateObject())
        {
            switch (rule.Name)
            {
                case "$ref":
                    foreach (string fault in Faults(root, root.GetProperty("$defs").GetProperty(rule.Value.GetString()!["#/$defs/".Length..]), value, path))
                        yield return fault;
                    break;
                case "type" when rule.Value.GetString() != Kind(value):
                    yield return $"{path} is no {rule.Value}";
                    yield break;
                case "const" when !JsonElement.DeepEquals(rule.Value, value):
                    yield return $"{path} is not {rule.Value}";
                    break;
                case "minimum" when value.GetDouble() < rule.Value.GetDouble():
                case "maximum" when value.GetDouble() > rule.Value.GetDouble():
                    yield return $"{path}: {rule.Name} is {rule.Value}";
                    break;
                case "required":
                    foreach (JsonElement name in rule.Value.EnumerateArray().Where(name => !value.TryGetProperty(name.GetString()!, out _)))
                        yield return $"{path} has no {name}";
                    break;
                case "items":
                    foreach (string fault in value.EnumerateArray().SelectMany((item, i) => Faults(root, rule.Value, item, $"{path}[{i}]")))
                        yield return fault;
                    break;
                case "properties":
                    foreach (JsonProperty property in value.EnumerateObject())
                    {
                        if (!rule.Value.TryGetProperty(property.Name, out JsonElement described))
                            yield return $"{path}.{property.Name} is not described";
                        else
                        {
                            foreach (string fault in Faults(root, described, property.Value, $"{path}.{property.Name}"))
                                yield return fault;
                        }
                    }

                    break;
                case "type" or "const" or "minimum" or "maximum" or "$schema" or "title" or "description" or "$defs":
                    break;
                default:
                    throw new UnreachableException($"the test does not know the schema's {rule.Name}");
            }
        }
    }

    private static string Kind(JsonElement value) => value.ValueKind.ToString().ToLowerInvariant();
}
