using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Features;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Step;

/// <summary><c>step</c>: whole training steps on random input, the median of several.</summary>
internal static class StepCommand
{
    private const int WarmupSteps = 2;
    private const double SecondsPerFrame = 0.01;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static Command Create()
    {
        var preset = new Option<string>("--preset") { Description = "mini, mlperf or ds2", DefaultValueFactory = _ => "mini" };
        var set = new Option<string[]>("--set") { Description = "change a parameter: name=value", DefaultValueFactory = _ => [] };
        var batch = new Option<int>("--batch") { Description = "utterances", DefaultValueFactory = _ => 8 };
        var frames = new Option<int>("--frames") { Description = "feature frames of each, 10 ms apart", DefaultValueFactory = _ => 200 };
        var labels = new Option<int>("--labels") { Description = "labels of each text", DefaultValueFactory = _ => 20 };
        var steps = new Option<int>("--steps") { Description = "timed steps, after two to warm up", DefaultValueFactory = _ => 5 };
        var device = new Option<DeviceKind>("--device") { Description = "auto, cuda, opencl, host or emulated", DefaultValueFactory = _ => DeviceKind.Host };
        var threads = new Option<int>("--threads") { Description = "threads of the host engine; 0 for one per core" };
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("step", "Whole training steps on random input.") { preset, set, batch, frames, labels, steps, device, threads, json };
        command.SetAction(parsed =>
        {
            if (!RunOptions.Presets.TryGetValue(parsed.GetRequiredValue(preset), out RunOptions? options))
                throw new InputException($"--preset: the presets are {string.Join(", ", RunOptions.Presets.Keys)}");
            foreach (string setting in parsed.GetRequiredValue(set))
            {
                string[] parts = setting.Split('=', 2);
                options = options.With(parts[0], parts.Length == 2 ? parts[1] : throw new InputException($"--set {setting}: expected name=value"));
            }

            using IEngine engine = EngineFactory.Create(parsed.GetValue(device), parsed.GetValue(threads));
            StepResult result = Measure(
                options, engine, parsed.GetValue(batch), parsed.GetValue(frames), parsed.GetValue(labels), parsed.GetValue(steps));
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(result, Json) : result.ToText(engine.Name));
        });
        return command;
    }

    private static StepResult Measure(RunOptions options, IEngine engine, int batch, int frames, int labels, int steps)
    {
        int rows = new FeatureExtractor(options.Features).Rows;
        using var model = new DeepSpeech2(options.ModelFor(rows, Alphabet.English.Size), engine, options.Seed);
        using Optimizer optimizer = Optimizer.Create(options, model.Parameters, model.Workspace);
        using var criterion = new CtcCriterion(engine, Alphabet.English.Blank, model.Workspace);
        using Tensor features = engine.Allocate(new Shape(batch, 1, rows, frames));
        var random = new Random(1);
        features.CopyFrom([.. Enumerable.Range(0, features.Length).Select(_ => (float)(2 * random.NextDouble() - 1))]);
        int[] counts = [.. Enumerable.Repeat(frames, batch)];
        int[][] texts = [.. Enumerable.Range(0, batch).Select(_ => Enumerable.Range(0, labels).Select(_ => random.Next(1, Alphabet.English.Size)).ToArray())];

        var times = new List<double[]>();
        long allocated = 0;
        for (int step = 1; step <= WarmupSteps + steps; step++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            var clock = new PhaseClock(engine);
            Sequence logits = model.Forward(features, counts, training: true);
            clock.Lap();
            criterion.Forward(logits, texts);
            Tensor dLogits = criterion.Backward();
            clock.Lap();
            model.Parameters.ZeroGradients();
            model.Backward(dLogits);
            clock.Lap();
            optimizer.Step(step, 1e-6);
            clock.Lap();
            double norm = optimizer.LastGradientNorm;
            if (!double.IsFinite(norm) || norm == 0)
                throw new InvalidOperationException($"the gradient norm of step {step} is {norm}: nothing worth timing");
            if (step <= WarmupSteps)
                continue;
            times.Add(clock.Laps);
            allocated += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        double seconds = Median(times.Select(lap => lap.Sum()));
        return new StepResult(
            model.Parameters.Count, seconds, Median(times.Select(lap => lap[0])), Median(times.Select(lap => lap[1])),
            Median(times.Select(lap => lap[2])), Median(times.Select(lap => lap[3])), batch * frames * SecondsPerFrame / seconds,
            Process.GetCurrentProcess().PeakWorkingSet64, allocated / steps);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Seconds of each phase, the engine's queue drained at each lap.</summary>
    private sealed class PhaseClock(IEngine engine)
    {
        private readonly List<double> laps = [];
        private long last = Stopwatch.GetTimestamp();

        public double[] Laps => [.. laps];

        public void Lap()
        {
            engine.Synchronize();
            laps.Add(Stopwatch.GetElapsedTime(last).TotalSeconds);
            last = Stopwatch.GetTimestamp();
        }
    }
}
