using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime.Options;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Model;

/// <summary>What a recognizer is, its values apart: what it hears, how large it is, what it writes.</summary>
/// <param name="Options">Features and sizes.</param>
/// <param name="Alphabet">Its labels.</param>
public sealed record ModelDescription(ModelOptions Options, Alphabet Alphabet)
{
    private const string LabelsKey = "alphabet", NormalizationKey = "normalization";

    /// <summary>The one way in which features are normalized today: each utterance by its own mean and deviation.</summary>
    private const string PerUtterance = "utterance";

    /// <summary>The model's sizes.</summary>
    public Architecture Architecture => Options.ArchitectureFor(Alphabet);

    /// <summary>The description as a JSON object.</summary>
    public string ToJson()
    {
        var json = (JsonObject)OptionsJson.ToNode(Options, typeof(ModelOptions))!;
        json[NormalizationKey] = PerUtterance;
        json[LabelsKey] = JsonSerializer.SerializeToNode(Alphabet.Labels);
        return json.ToJsonString();
    }

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="InputException">It is malformed, or of a kind of model that this version does not know.</exception>
    public static ModelDescription Parse(string json, string source)
    {
        JsonObject values = OptionsJson.Parse(json, source);
        string normalization = Text(values[NormalizationKey]) ?? PerUtterance;
        if (normalization != PerUtterance)
            throw new InputException($"{source}: features normalized by '{normalization}' are not known to this version");
        try
        {
            string[] labels = values[LabelsKey].Deserialize<string[]>() ?? throw new InputException($"{source}: has no alphabet");
            return new ModelDescription(OptionsJson.Read(values, source, new ModelOptions()), new Alphabet(labels));
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new InputException($"{source}: the alphabet is malformed: {exception.Message}", exception);
        }
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
