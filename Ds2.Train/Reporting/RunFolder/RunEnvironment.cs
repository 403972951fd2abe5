using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>What a run was started on and with: enough to start it again elsewhere and to know why it is faster or slower there.</summary>
internal sealed record RunEnvironment
{
    private const string Unknown = "unknown";

    public required string Started { get; init; }

    /// <summary>The checkpoint it went on from, with its position; null for a start.</summary>
    public required string? ResumedFrom { get; init; }

    /// <summary>The model whose parameters it started with; null for new ones.</summary>
    public required string? InitializedFrom { get; init; }

    public required IReadOnlyList<string> CommandLine { get; init; }

    /// <summary>The training set's manifest, a whole path; null for the built-in corpus.</summary>
    public required string? TrainManifest { get; init; }

    /// <summary>The validation set's, likewise.</summary>
    public required string? ValManifest { get; init; }

    /// <summary>The engine's name: the device, its instruction set or driver, its threads.</summary>
    public required string Device { get; init; }

    /// <summary>Machine and device of each rank, where several train together; null for one on its own.</summary>
    public required IReadOnlyList<RankPlace>? Ranks { get; init; }

    /// <summary>The MPI library that they exchange by, and whether from their devices' own memory; null for one on its own.</summary>
    public required string? Mpi { get; init; }

    /// <summary>The language model of the run's own transcripts that its evaluations were decoded with, too; null for none.</summary>
    public required string? WordsModel { get; init; }

    /// <summary>What was noticed before the first step.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    public string Machine { get; } = Environment.MachineName;

    public string Cpu { get; } = CpuName();

    public int Cores { get; } = Environment.ProcessorCount;

    /// <summary>What the process may use: a container's limit, where there is one.</summary>
    public long MemoryBytes { get; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    public string OperatingSystem { get; } = RuntimeInformation.OSDescription;

    public string Runtime { get; } = RuntimeInformation.FrameworkDescription;

    /// <summary>The commit that the program was built from.</summary>
    public string Commit { get; } = BuiltFrom();

    /// <summary>The packages it was built with, and their versions.</summary>
    public IReadOnlyDictionary<string, string> Packages { get; } = PackageVersions();

    public static RunEnvironment Of(RunSetup run) => new()
    {
        Started = DateTimeOffset.Now.ToString("yyyy-MM-ddTHH:mm:sszzz"),
        ResumedFrom = run.Resume is { State: var state } ? $"{run.Resume.Path}: {state.Epoch} epochs, {state.Batch} batches" : null,
        InitializedFrom = run.Initial,
        CommandLine = Environment.GetCommandLineArgs(),
        TrainManifest = RunManifests.Kept(run.Training.ManifestPath),
        ValManifest = RunManifests.Kept(run.Validation.ManifestPath),
        Device = run.Model.Engine.Name,
        Ranks = run.Ranks,
        Mpi = run.Mpi,
        WordsModel = run.Words is null ? null : TranscriptModel.FileName,
        Notes = [.. run.Notes],
    };

    /// <summary>The SDK puts the commit behind the version: 1.0.0+86f2197….</summary>
    private static string BuiltFrom()
    {
        string? version = typeof(RunEnvironment).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        return version?.Split('+') is [_, var commit] ? commit : Unknown;
    }

    private static string CpuName()
    {
        const string linux = "/proc/cpuinfo";
        string? line = File.Exists(linux) ? File.ReadLines(linux).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[^1].Trim() ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static SortedDictionary<string, string> PackageVersions()
    {
        var packages = new SortedDictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        string manifest = Path.ChangeExtension(typeof(RunEnvironment).Assembly.Location, ".deps.json");
        if (!File.Exists(manifest))
            return packages;
        foreach ((string name, JsonNode? library) in JsonNode.Parse(File.ReadAllText(manifest))?["libraries"] as JsonObject ?? [])
        {
            if (library?["type"]?.GetValue<string>() == "package" && name.Split('/') is [var id, var version])
                packages[id] = version;
        }

        return packages;
    }
}
