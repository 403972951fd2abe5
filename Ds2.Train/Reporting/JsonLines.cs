using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ds2.Train.Reporting;

/// <summary>Events for programs: one JSON object a line.</summary>
internal static class JsonLines
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>An event's line, without its end.</summary>
    public static string Text<T>(T value) => JsonSerializer.Serialize(value, Options);

    /// <summary>The event that a line holds.</summary>
    /// <exception cref="JsonException">The line is no JSON, or cut short.</exception>
    public static T? Parse<T>(string line) => JsonSerializer.Deserialize<T>(line, Options);

    /// <summary>Writes one event to stdout.</summary>
    public static void Write<T>(T value)
    {
        Console.Out.WriteLine(Text(value));
        Console.Out.Flush();
    }
}
