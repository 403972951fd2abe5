using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ds2.Runtime.Text;

/// <summary>An alphabet as the array of its labels.</summary>
internal sealed class AlphabetJson : JsonConverter<Alphabet>
{
    public override Alphabet Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        string[]? labels = JsonSerializer.Deserialize<string[]>(ref reader, options);
        try
        {
            return new Alphabet(labels ?? []);
        }
        catch (ArgumentException e)
        {
            throw new JsonException(e.Message, e);
        }
    }

    public override void Write(Utf8JsonWriter writer, Alphabet value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (string label in value.Labels)
            writer.WriteStringValue(label);
        writer.WriteEndArray();
    }
}
