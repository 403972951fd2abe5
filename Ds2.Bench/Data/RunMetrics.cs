using System.Text.Json.Nodes;
using Ds2.Runtime;

namespace Ds2.Bench.Data;

/// <summary>What a run's <c>metrics.jsonl</c> holds, as far as an epoch's checks need it.</summary>
internal sealed class RunMetrics
{
    /// <summary>What differs from run to run.</summary>
    private static readonly string[] Times = ["seconds", "loadSeconds", "computeSeconds", "evaluationSeconds", "audioSecondsPerSecond"];

    private readonly List<string> lines = [];

    /// <summary>Audio of each batch in seconds, in the order of the lines.</summary>
    public List<double> AudioSeconds { get; } = [];

    /// <summary>The time that batches waited for the loader.</summary>
    public double LoadSeconds { get; private set; }

    /// <summary>The time of all batches.</summary>
    public double BatchSeconds { get; private set; }

    /// <summary>Utterances without a loss, and those left out.</summary>
    public int Untrained { get; private set; }

    /// <summary>Reads the file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InputException">A line is of another batch than the one that follows.</exception>
    public static RunMetrics Read(string path)
    {
        var metrics = new RunMetrics();
        (int epoch, int batch, int batches) = (1, 0, 0);
        foreach (string line in File.ReadLines(path))
        {
            JsonObject json = JsonNode.Parse(line)!.AsObject();
            if ((string?)json["event"] == "batch")
            {
                if (batches > 0 && batch == batches)
                    (epoch, batch) = (epoch + 1, 0);
                batches = (int)json["batches"]!;
                batch++;
                if ((int)json["epoch"]! != epoch || (int)json["batch"]! != batch)
                    throw new InputException($"{path}: batch {json["batch"]} of epoch {json["epoch"]} stands where batch {batch} of epoch {epoch} belongs");
                metrics.AudioSeconds.Add((double)json["audioSeconds"]!);
                metrics.LoadSeconds += (double)json["loadSeconds"]!;
                metrics.BatchSeconds += (double)json["seconds"]!;
                metrics.Untrained += (int)json["infeasible"]! + (json["leftOut"]?.AsArray().Count ?? 0);
            }
            foreach (string time in Times)
                json.Remove(time);
            metrics.lines.Add(json.ToJsonString());
        }

        if (batch != batches)
            throw new InputException($"{path}: the last epoch ends after batch {batch} of {batches}");
        return metrics;
    }

    /// <summary>Where two runs differ first, times left out; null where they do not.</summary>
    public string? FirstDifference(RunMetrics other)
    {
        for (int i = 0; i < Math.Max(lines.Count, other.lines.Count); i++)
        {
            if (lines.ElementAtOrDefault(i) is var line && other.lines.ElementAtOrDefault(i) is var theirs && line != theirs)
                return $"line {i + 1}: {line ?? "none"} and {theirs ?? "none"}";
        }

        return null;
    }
}
