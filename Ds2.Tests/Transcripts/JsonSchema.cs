using System.Diagnostics;
using System.Text.Json;
using Ds2.Tests.Layout;

namespace Ds2.Tests.Transcripts;

/// <summary>A schema of docs/, and as much of JSON Schema as these use. A property that one does not name is a fault here: it would be one that nobody has described.</summary>
/// <param name="name">The file.</param>
internal sealed class JsonSchema(string name)
{
    private string FilePath => Path.Combine(Repository.Require(), "docs", name);

    /// <summary>What is not as the schema says; nothing where all is.</summary>
    public IReadOnlyList<string> Faults(JsonElement value)
    {
        using JsonDocument schema = JsonDocument.Parse(File.ReadAllText(FilePath));
        return [.. Faults(schema.RootElement, schema.RootElement, value, "$")];
    }

    /// <summary>Asks a validator of the field, where it is installed.</summary>
    /// <param name="files">Each a JSON value.</param>
    public void RequireValidatorsConsent(IEnumerable<string> files)
    {
        const string program =
            "import sys, json\n"
            + "try: from jsonschema import Draft202012Validator as Validator\n"
            + "except ImportError: sys.exit(77)\n"
            + "schema = json.load(open(sys.argv[1]))\n"
            + "Validator.check_schema(schema)\n"
            + "for name in sys.argv[2:]: Validator(schema).validate(json.load(open(name, encoding='utf-8')))\n";
        (int code, string output) = Readers.Run("python3", "python3 with jsonschema (Debian package python3-jsonschema)", ["-c", program, FilePath, .. files]);
        if (code == 77)
            Assert.Ignore("needs jsonschema for Python (Debian package python3-jsonschema)");
        Assert.That(code, Is.Zero, output);
    }

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
                case "oneOf":
                    string[][] faults = [.. rule.Value.EnumerateArray().Select(one => Faults(root, one, value, path).ToArray())];
                    if (faults.Count(fault => fault.Length == 0) != 1)
                        yield return $"{path} is not one of {faults.Length}: {string.Join("; ", faults.SelectMany(fault => fault))}";
                    break;
                case "type" when rule.Value.GetString() != Kind(value) && !(rule.Value.GetString() == "integer" && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _)):
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
