using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Ds2.Runtime.Options;

/// <summary>Options as JSON: one object of names and values, whatever records hold them.</summary>
internal static class OptionsJson
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    private static readonly JsonSerializerOptions Indented = new(Json) { WriteIndented = true };

    /// <summary>The object that a text is.</summary>
    /// <exception cref="InputException">It is no JSON object, or a name stands in it twice.</exception>
    public static JsonObject Parse(string text, string source)
    {
        try
        {
            var node = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new InputException($"{source}: expected a JSON object of parameters");
            // Names that are no Unicode are found when they are looked at.
            _ = node.Select(pair => pair.Key.Length + (pair.Value?.ToJsonString().Length ?? 0)).Sum();
            return node;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new InputException($"{source}: not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The value that a user wrote: JSON where it is that, else text.</summary>
    public static JsonNode? ParseValue(string value)
    {
        try
        {
            return JsonNode.Parse(value);
        }
        catch (JsonException)
        {
            return JsonValue.Create(value);
        }
    }

    /// <summary>A copy of options with one changed.</summary>
    /// <exception cref="InputException">The value does not fit.</exception>
    public static T With<T>(T options, OptionInfo option, JsonNode? value, string source)
        where T : class
    {
        var all = (JsonObject)ToNode(options, typeof(T))!;
        string before = all[option.Name]?.ToJsonString() ?? "null", text = Text(value);
        T changed;
        try
        {
            all[option.Name] = value?.DeepClone();
            changed = all.Deserialize<T>(Json)!;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new InputException($"{source}: {text} is no value for '{option.Name}' (now {before}): it must be {option.Range}", exception);
        }

        return option.Allows(changed) ? changed : throw new InputException($"{source}: '{option.Name}' is {text}, but must be {option.Range}");
    }

    /// <summary>Options whose values are those that an object gives by name; names of others are passed over.</summary>
    /// <exception cref="InputException">A value does not fit.</exception>
    public static T Read<T>(JsonObject values, string source, T basis)
        where T : class
    {
        foreach (OptionInfo option in OptionInfo.Of<T>())
        {
            if (values.TryGetPropertyValue(option.Name, out JsonNode? value))
                basis = With(basis, option, value, source);
        }

        return basis;
    }

    /// <summary>A value as JSON.</summary>
    public static JsonNode? ToNode(object? value, Type type) => JsonSerializer.SerializeToNode(value, type, Json);

    /// <summary>How an enumeration's value is written.</summary>
    public static string NameOf(object value) => ToNode(value, value.GetType())!.GetValue<string>();

    /// <summary>An object's text, for people to read.</summary>
    public static string Text(JsonObject values) => values.ToJsonString(Indented);

    private static string Text(JsonNode? value)
    {
        try
        {
            return value?.ToJsonString() ?? "null";
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            return "a text that is no Unicode";
        }
    }
}
