using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Ds2.Kernels.Engines;
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
        (Option<string> preset, Option<string[]> set) = ModelOptions.Create("mini");
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
            RunOptions options = ModelOptions.Read(parsed, preset, set);
            using IEngine engine = EngineFactory.Create(parsed.GetValue(device), parsed.GetValue(threads));
            StepResult result = Measure(
                options, engine, parsed.GetValue(batch), parsed.GetValue(frames), parsed.GetValue(labels), parsed.GetValue(steps));
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(result, Json) : result.ToText(engine.Name));
        });
        return command;
    }

    private static StepResult Measure(RunOptions options, IEngine engine, int batch, int frames, int labels, int steps)
    {
        using var trainingStep = new TrainingStep(options, engine, batch, frames, labels);
        var times = new List<double[]>();
        long allocated = 0;
        for (int step = 1; step <= WarmupSteps + steps; step++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            var clock = new PhaseClock(engine);
            trainingStep.Run(step, clock.Lap);
            double norm = trainingStep.LastGradientNorm;
            if (!double.IsFinite(norm) || norm == 0)
                throw new InvalidOperationException($"the gradient norm of step {step} is {norm}: nothing worth timing");
            if (step <= WarmupSteps)
                continue;
            times.Add(clock.Laps);
            allocated += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        double seconds = Median(times.Select(lap => lap.Sum()));
        return new StepResult(
            trainingStep.Parameters, seconds, Median(times.Select(lap => lap[0])), Median(times.Select(lap => lap[1])),
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
