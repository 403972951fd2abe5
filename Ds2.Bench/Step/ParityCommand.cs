using System.CommandLine;
using System.Text.Json;
using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Step;

/// <summary><c>parity</c>: the first steps of a training run on a device beside the same steps on the host; their losses must agree.</summary>
internal static class ParityCommand
{
    private const int Differs = 1;

    // Both sum in fp32, in different orders, and every step builds on the last one's rounding. A wrong term, sign or factor shows in the first step.
    private const double Tolerance = 1e-3;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static Command Create()
    {
        (Option<string> preset, Option<string[]> set) = ModelArguments.Create("mini");
        var manifest = new Option<string>("--manifest") { Description = "lines 'audio path,text path'", Required = true, HelpName = "FILE" };
        var steps = new Option<int>("--steps") { Description = "training steps", DefaultValueFactory = _ => 10 }.AtLeastOne();
        Option<DeviceChoice> device = DeviceOption.Create(DeviceKind.Auto);
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("parity", "Training steps on a device and on the host: exit code 1 where their losses differ.") { manifest, preset, set, steps, device, json };
        command.SetAction(parsed =>
        {
            RunOptions options = ModelArguments.Read(parsed, preset, set);
            Corpus corpus = Corpus.Load(parsed.GetRequiredValue(manifest), Alphabet.English);
            (string name, double[] losses) = Train(options, corpus, parsed.GetValue(device), parsed.GetValue(steps));
            (_, double[] expected) = Train(options, corpus, new DeviceChoice(DeviceKind.Host), parsed.GetValue(steps));
            var result = new Result(name, [.. losses.Zip(expected, (own, host) => new Step(own, host, Math.Abs(own - host) / host))]);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(result, Json) : result.ToText());
            return result.Agrees ? 0 : Differs;
        });
        return command;
    }

    /// <summary>The losses of a run's first steps: the training loop itself, stopped after the last of them.</summary>
    private static (string Device, double[] Losses) Train(RunOptions options, Corpus corpus, DeviceChoice device, int steps)
    {
        string folder = Directory.CreateTempSubdirectory("ds2-parity-").FullName;
        try
        {
            using IEngine engine = DeviceOption.Engine(device);
            using var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, options.Training.Seed);
            using var batches = new BatchLoader(corpus, new FeatureExtractor(options.Model.Features), options.Data.Batch, options.Data.Order, options.Training.Seed, augment: options.Data.Masks) { Accumulate = options.Data.Accumulate };
            if (batches.StepsPerEpoch < steps)
                throw new InputException($"--steps {steps}: the manifest has {batches.StepsPerEpoch} steps of {options.Data.Batch * options.Data.Accumulate} utterances");
            using var losses = new LossRecorder(steps);
            using var trainer = new Trainer(options, model, new ModelDescription(options.Model, Alphabet.English), batches, batches, new CheckpointPolicy(folder, TimeSpan.MaxValue), losses);
            trainer.Run(losses.Stop);
            return (engine.Name, [.. losses.Losses]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private sealed record Step(double Loss, double HostLoss, double RelativeDifference);

    private sealed record Result(string Device, IReadOnlyList<Step> Steps)
    {
        public bool Agrees => Steps.All(step => step.RelativeDifference <= Tolerance); // false for NaN

        public string ToText()
        {
            IEnumerable<string> rows = Steps.Select((step, i) => $"{i + 1,4} {step.Loss,12:F5} {step.HostLoss,12:F5} {step.RelativeDifference,10:E1}");
            return string.Join('\n', [
                Device, $"{"step",4} {"loss",12} {"host",12} {"difference",10}", .. rows,
                Agrees ? $"within {Tolerance:G} of the host" : $"DIFFERS from the host by more than {Tolerance:G}"]);
        }
    }

    /// <summary>Keeps the losses, and asks the run to stop after so many.</summary>
    private sealed class LossRecorder(int steps) : ITrainingObserver, IDisposable
    {
        private readonly CancellationTokenSource source = new();

        public List<double> Losses { get; } = [];

        public CancellationToken Stop => source.Token;

        public void OnBatch(BatchReport report)
        {
            Losses.Add(report.Loss);
            if (Losses.Count == steps)
                source.Cancel();
        }

        public void Dispose() => source.Dispose();
    }
}
