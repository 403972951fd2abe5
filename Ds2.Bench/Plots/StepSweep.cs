using System.Globalization;
using System.Text.Json;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;

namespace Ds2.Bench.Plots;

/// <summary>A point of a sweep: the value on its axis, and the median seconds of a training step there.</summary>
internal readonly record struct SweepPoint(int Value, double Seconds);

/// <summary>Step time along one axis, the others held.</summary>
/// <param name="Axis">What varies: <c>frames</c>, <c>batch</c>, <c>hidden</c> or <c>threads</c>.</param>
/// <param name="Held">What does not, for people.</param>
/// <param name="Engine">Where it was measured.</param>
/// <param name="Points">In the order of the axis.</param>
internal sealed record StepSweep(string Axis, string Held, string Engine, IReadOnlyList<SweepPoint> Points)
{
    private const int WarmupSteps = 1;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    /// <summary>What is swept, and the values.</summary>
    public static IReadOnlyDictionary<string, int[]> Axes { get; } = new Dictionary<string, int[]>
    {
        ["frames"] = [100, 200, 400, 600, 800, 1000],
        ["batch"] = [1, 2, 4, 8, 16],
        ["hidden"] = [256, 512, 1024, 1536, 2048, 2560],
        ["threads"] = [.. Enumerable.Range(1, Environment.ProcessorCount)],
    };

    /// <summary>Measures along an axis.</summary>
    /// <param name="axis">One of <see cref="Axes"/>.</param>
    /// <param name="held">The step that is varied.</param>
    /// <param name="progress">Told after each point.</param>
    public static StepSweep Measure(string axis, StepOptions held, Action<string> progress)
    {
        var points = new List<SweepPoint>();
        string engineName = "";
        foreach (int value in Axes[axis])
        {
            StepOptions options = axis switch
            {
                "frames" => held with { Frames = value, Labels = held.Labels * value / held.Frames }, // longer speech has a longer text
                "batch" => held with { Batch = value },
                "hidden" => held with { Run = held.Run.With("hidden", value.ToString(CultureInfo.InvariantCulture)) },
                "threads" => held with { Threads = value },
                _ => throw new ArgumentException($"there is no axis '{axis}'", nameof(axis)),
            };
            using var engine = new HostEngine(options.Threads);
            engineName = engine.Name;
            points.Add(new SweepPoint(value, StepMeasurement.Measure(options, engine, WarmupSteps).MedianSeconds));
            progress($"{axis} {value}: {points[^1].Seconds:F3} s");
        }

        return new StepSweep(axis, Describe(axis, held), engineName, points);
    }

    /// <summary>Reads sweeps that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is absent or damaged.</exception>
    public static List<StepSweep> Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<List<StepSweep>>(File.ReadAllText(path), Json) ?? throw new InputException($"{path}: holds no sweeps");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InputException($"{path}: {exception.Message}", exception);
        }
    }

    /// <summary>Writes sweeps as JSON.</summary>
    public static void Write(string path, IEnumerable<StepSweep> sweeps) => File.WriteAllText(path, JsonSerializer.Serialize(sweeps, Json) + "\n");

    private static string Describe(string axis, StepOptions held)
    {
        string[] parts =
        [
            axis == "hidden" ? "" : $"hidden {held.Run.Model.Hidden}", $"{held.Run.Model.Layers} GRU layers", axis == "batch" ? "" : $"batch {held.Batch}",
            axis == "frames" ? $"a label in {held.Frames / Math.Max(1, held.Labels)} frames" : $"{held.Frames} frames, {held.Labels} labels",
        ];
        return string.Join(", ", parts.Where(part => part.Length > 0));
    }
}
