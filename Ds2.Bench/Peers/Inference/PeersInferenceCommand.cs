using System.CommandLine;
using System.Reflection;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Microsoft.ML.OnnxRuntime;

namespace Ds2.Bench.Peers.Inference;

/// <summary><c>peers-inference</c>: logits of a batch in Ds2 and in ONNX Runtime, in turns, in one process on as many threads.</summary>
internal static class PeersInferenceCommand
{
    private const double Rounding = 1e-4;

    // Weights of 11 bits instead of 24, through some hundred frames of recurrence.
    private const double HalfPrecision = 1e-3;

    private static readonly string[] Head = ["batch", "seconds each", "ds2 ms", "onnx ms", "ratio", "difference"];

    public static Command Create()
    {
        (Option<string> preset, Option<string[]> set) = ModelArguments.Create("mini");
        var batches = new Option<int[]>("--batch") { Description = "utterances; several give a row each", DefaultValueFactory = _ => [1, 8], AllowMultipleArgumentsPerToken = true };
        var seconds = new Option<double[]>("--seconds") { CustomParser = NumberOptions.All, Description = "length of each utterance; several give a row each", DefaultValueFactory = _ => [5, 12], AllowMultipleArgumentsPerToken = true };
        var turns = new Option<int>("--turns") { Description = "timed calls of each", DefaultValueFactory = _ => 7 };
        var threads = new Option<int>("--threads") { Description = "threads of each; 0 for one per core" };
        var command = new Command("peers-inference", "Recognition beside ONNX Runtime's, on the host.") { preset, set, batches, seconds, turns, threads };
        command.SetAction(parsed =>
        {
            Ds2.Runtime.Training.RunOptions run = ModelArguments.Read(parsed, preset, set);
            using var engine = new HostEngine(parsed.GetValue(threads));
            int count = engine.Workers.Threads;
            string version = typeof(InferenceSession).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
            Console.WriteLine($"{engine.Name}; ONNX Runtime {version}, {count} threads; recurrent weights {run.Model.RecurrentPrecision}");
            var rows = new List<string[]> { Head };
            double tolerance = run.Model.RecurrentPrecision == RecurrentPrecision.Fp32 ? Rounding : HalfPrecision;
            foreach (int batch in parsed.GetRequiredValue(batches))
                foreach (double length in parsed.GetRequiredValue(seconds))
                {
                    InferencePair pair = InferencePair.Measure(run, engine, count, batch, (int)(length * 100), parsed.GetValue(turns), tolerance);
                    rows.Add([$"{batch}", $"{length}", $"{pair.Ds2Seconds * 1e3:F2}", $"{pair.OnnxSeconds * 1e3:F2}", $"{pair.Ratio:F2}", $"{pair.Difference:E1}"]);
                    Console.Error.WriteLine(string.Join("  ", rows[^1]));
                }

            Console.WriteLine(MarkdownTable.Of(rows));
        });
        return command;
    }
}
