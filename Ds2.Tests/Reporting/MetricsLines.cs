using System.Text.Json.Nodes;

namespace Ds2.Tests.Reporting;

/// <summary>The lines of a run's metrics.</summary>
internal static class MetricsLines
{
    /// <summary>What a run computes is the same each time; how long it takes is not.</summary>
    private static readonly string[] Times = ["seconds", "loadSeconds", "computeSeconds", "evaluationSeconds", "audioSecondsPerSecond"];

    public static JsonObject[] Read(string path) => [.. File.ReadLines(path).Select(line => JsonNode.Parse(line)!.AsObject())];

    /// <summary>What two runs of the same options have in common, line for line.</summary>
    public static string[] WithoutTimes(string path)
    {
        JsonObject[] lines = Read(path);
        foreach (JsonObject line in lines)
        {
            foreach (string time in Times)
                line.Remove(time);
        }

        return [.. lines.Select(line => line.ToJsonString())];
    }
}
