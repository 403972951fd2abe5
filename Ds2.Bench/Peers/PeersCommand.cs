using System.CommandLine;
using System.Text.Json;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Runtime;
using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary><c>peers</c>: the training step and each of its ops, in Ds2 and in libtorch (TorchSharp), in turns, in one process on the same threads.</summary>
internal static class PeersCommand
{
    private const int Turns = 7;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static Command Create()
    {
        var ops = new Option<string?>("--ops") { Description = "times no step, and the ops whose names contain this: gru; 'all' for all" };
        var noOps = new Option<bool>("--no-ops") { Description = "times the step alone" };
        var alone = new Option<bool>("--libtorch-alone") { Description = "times libtorch's step, and nothing of ours: for its peak memory" };
        var budget = new Option<double>("--budget") { CustomParser = NumberOptions.One, Description = "seconds after which an op, or the step, is given no further turn", DefaultValueFactory = _ => 60 };
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("peers", "The training step and each op beside libtorch's, on the host.") { ops, noOps, alone, budget, json };
        Func<ParseResult, StepOptions> read = StepOptions.AddTo(command);
        command.SetAction(parsed =>
        {
            StepOptions options = read(parsed);
            using var engine = new HostEngine(options.Threads);
            Libtorch.Start(engine.Workers.Threads);
            bool asJson = parsed.GetValue(json);

            // In JSON mode standard output is the result's alone.
            TextWriter log = asJson ? Console.Error : Console.Out;
            log.WriteLine($"{engine.Name}; libtorch {torch.__version__}, {torch.get_num_threads()} threads");
            if (parsed.GetValue(alone))
            {
                StepResult result = StepPair.MeasureLibtorch(options, engine, log.WriteLine);
                Console.WriteLine(asJson ? result.ToJson() : result.ToText("libtorch"));
                return;
            }

            string? filter = parsed.GetValue(ops);
            StepPair? step = filter is null ? StepPair.Measure(options, engine, parsed.GetValue(budget), log.WriteLine) : null;
            if (step is not null)
                log.WriteLine(step.ToText());
            List<PeerTime> times = parsed.GetValue(noOps) ? [] : MeasureOps(options, engine, filter ?? "all", new Alternation(Turns, parsed.GetValue(budget)), log);
            if (asJson)
                Console.WriteLine(JsonSerializer.Serialize(new { engine = engine.Name, libtorch = torch.__version__, step, ops = times }, Json));
        });
        return command;
    }

    private static List<PeerTime> MeasureOps(StepOptions options, HostEngine engine, string filter, Alternation alternation, TextWriter log)
    {
        var times = new List<PeerTime>();
        log.WriteLine(PeerTime.Head);
        foreach ((string name, Func<Numbers, IEnumerable<Pair>> create) in Ops(options))
        {
            if (filter != "all" && !name.Contains(filter, StringComparison.OrdinalIgnoreCase))
                continue;
            using var numbers = new Numbers(engine);
            foreach (Pair pair in create(numbers))
            {
                times.Add(alternation.Measure(pair));
                log.WriteLine(times[^1].ToText());
            }
        }

        return times.Count > 0 ? times : throw new InputException($"--ops {filter}: the ops are {string.Join(", ", Ops(options).Select(op => op.Name).Distinct())}");
    }

    /// <summary>The ops of a step at its shapes; those of every layer, or the costliest of its kind.</summary>
    private static IEnumerable<(string Name, Func<Numbers, IEnumerable<Pair>> Create)> Ops(StepOptions options)
    {
        var shapes = new ModelShapes(options);
        Conv2dShape first = shapes.FirstConvolution, second = shapes.SecondConvolution;
        GruShape gru = shapes.Gru;
        int rows = gru.T * gru.N, gates = 3 * gru.H;
        GemmShape[] products =
        [
            new(rows, gates, gru.H, TransposeB: true), new(rows, gru.H, gates), new(gates, gru.H, rows, TransposeA: true), // a GRU's three over all frames
            new(gru.N, gates, gru.H, TransposeB: true), new(gru.N, gru.H, gates), // its recurrence
            new(rows, shapes.Ctc.C, gru.H, TransposeB: true), new(rows, gru.H, shapes.Ctc.C), new(shapes.Ctc.C, gru.H, rows, TransposeA: true), // the output layer
        ];
        foreach (GemmShape product in products)
            yield return ("Gemm", numbers => ProductPairs.Gemm(numbers, product));
        yield return ("Conv2d 0", numbers => ProductPairs.Convolution(numbers, "Conv2d 0", first, inputGradient: false));
        yield return ("Conv2d 3", numbers => ProductPairs.Convolution(numbers, "Conv2d 3", second, inputGradient: true));
        yield return ("BatchNorm", numbers => PointwisePairs.Normalization(numbers, new(BatchNormLayout.ChannelsFirst, first.N, first.K, first.OutH, first.OutW)));
        yield return ("BatchNorm", numbers => PointwisePairs.Normalization(numbers, new(BatchNormLayout.TimeMajor, gru.N, gru.H, 1, gru.T)));
        yield return ("Hardtanh", numbers => PointwisePairs.Clipping(numbers, first.Y));
        yield return ("LengthMask", numbers => PointwisePairs.Mask(numbers, first.Y));
        yield return ("Layout", numbers => PointwisePairs.Layout(numbers, second.Y));
        yield return ("Gru", numbers => ProductPairs.Gru(numbers, gru));
        yield return ("LogSoftmax", numbers => PointwisePairs.LogProbabilities(numbers, shapes.Ctc.LogProbabilities));
        yield return ("Ctc", numbers => PointwisePairs.Loss(numbers, shapes.Ctc));
        yield return ("Optimizer", numbers => OptimizerPairs.Create(numbers, options));
    }
}
