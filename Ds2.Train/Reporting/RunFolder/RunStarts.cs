using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>The account of a run's starts in its folder: a JSON array with a <see cref="RunEnvironment"/> for each, the last start last.</summary>
internal static class RunStarts
{
    public const string FileName = "environment.json";

    /// <summary>Answers a question from it.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="answer">Given every start's entry, none where there is no such file; may take an entry's values to be of the kinds that <see cref="RunEnvironment"/> has.</param>
    /// <param name="damaged">For the user: what is not known where the file is damaged, and what to do.</param>
    /// <exception cref="InputException">It is damaged, or cannot be read.</exception>
    public static T Ask<T>(string folder, Func<JsonObject[], T> answer, string damaged)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            if (!File.Exists(path))
                return answer([]);
            JsonArray starts = JsonNode.Parse(File.ReadAllBytes(path)) as JsonArray ?? throw new JsonException("no array");
            return answer([.. starts.Select(start => start as JsonObject ?? throw new JsonException("a start that is no object"))]);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new InputException($"{path}: {damaged}", exception);
        }
    }
}
