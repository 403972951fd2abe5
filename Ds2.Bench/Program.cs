using System.CommandLine;
using BenchmarkDotNet.Running;
using Ds2.Bench.Data;
using Ds2.Bench.Decoding;
using Ds2.Bench.Distributed;
using Ds2.Bench.Gpu;
using Ds2.Bench.LanguageModels;
using Ds2.Bench.Live;
using Ds2.Bench.Machine;
using Ds2.Bench.Ops;
#if PEERS
using Ds2.Bench.Peers;
using Ds2.Bench.Peers.Inference;
using Ds2.Bench.Peers.Training;
#endif
using Ds2.Bench.Plots;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Distributed;

namespace Ds2.Bench;

/// <summary>The benchmarks: <c>dotnet run --project Ds2.Bench -- ops|step|parity|peers|peers-inference|peers-training|plots|peaks|loader|corpus|epoch|lm|decoder|confidence|live|kernels|bandwidth|exchange|scaling|cublas|gpu-report …</c>.</summary>
internal static class Program
{
    private const int BadInput = 2;

    internal static int Main(string[] args)
    {
        Mpi.QuietConsole();
#if PACKAGE
        if (args is ["ops" or "plots", ..])
            return Report($"{args[0]}: the package is without what it compiles or draws with; run it in the repository");
#endif
        // BenchmarkDotNet parses its own arguments.
        if (args is ["ops", .. string[] rest])
            return RunOps(rest);

        var root = new RootCommand(
            """
            Benchmarks of Ds2.

              ops [--device D] [BenchmarkDotNet arguments]
                                                 each op, forward and backward, at the model's shapes: ops --filter '*Gru*'
              step [options]                     whole training steps on random input: step --preset mlperf --frames 1230
              peers [options]                    the same and each op beside libtorch, built with -p:Peers=true: peers --preset mlperf --frames 600
              peers-inference [options]          recognition beside ONNX Runtime's, built alike: peers-inference --preset mlperf --batch 1
              peers-training [options]           a training run beside libtorch's, built alike: peers-training --train-manifest FILE --val-manifest FILE
              plots [options]                    step time against frames, batch, hidden size and threads, drawn into docs/plots
              parity --manifest FILE --device D  training steps on a device and on the host: their losses must agree
              peaks [--rounds N]                 the machine's peaks, and what large and streaming matrix products reach of them
              loader --manifest FILE             what the loader reads, with augmentation and with the feature cache
              corpus [options]                   what a start costs with as many utterances as LibriSpeech has
              epoch --program "dotnet DLL"       an epoch of LibriSpeech's size through Ds2.Train's command line, killed and resumed
              lm --folder DIR                    size and speed of a language model of 5 million n-grams over 200,000 words
              decoder --lm FILE [options]        greedy and beam search, with and without language model and hot words
              confidence [options]               how well words' confidences tell right words from wrong ones
              live [options]                     live streams in real time, and how late their text is: live --preset mlperf --streams 1 4 8
              kernels [options]                  a training step on a GPU, and its kernels' own times beside the estimate: kernels --preset mlperf --frames 1230
              bandwidth [options]                what a device's memory and the way to it sustain
              exchange [options]                 under mpirun: gradients added up over ranks, beside MPI_Allreduce
              scaling [options]                  under mpirun: training steps of one rank, of all apart and of all together: scaling --preset mlperf --threads 1
              cublas [--json]                    our Gemm beside NVIDIA's on a CUDA GPU
              gpu-report [options]               what every GPU kernel compiles to, without a GPU: gpu-report --arch sm_60
            """);
        root.Subcommands.Add(new Command("ops", "Each op, forward and backward; takes BenchmarkDotNet's arguments."));
        root.Subcommands.Add(StepCommand.Create());
        root.Subcommands.Add(ParityCommand.Create());
        root.Subcommands.Add(LoaderCommand.Create());
        root.Subcommands.Add(CorpusCommand.Create());
        root.Subcommands.Add(EpochCommand.Create());
        root.Subcommands.Add(LanguageModelCommand.Create());
        root.Subcommands.Add(DecoderCommand.Create());
        root.Subcommands.Add(ConfidenceCommand.Create());
        root.Subcommands.Add(LiveCommand.Create());
        root.Subcommands.Add(Peers());
        root.Subcommands.Add(PeersInference());
        root.Subcommands.Add(PeersTraining());
        root.Subcommands.Add(PlotsCommand.Create());
        root.Subcommands.Add(PeaksCommand.Create());
        root.Subcommands.Add(KernelsCommand.Create());
        root.Subcommands.Add(BandwidthCommand.Create());
        root.Subcommands.Add(ExchangeCommand.Create());
        root.Subcommands.Add(ScalingCommand.Create());
        root.Subcommands.Add(CublasCommand.Create());
        root.Subcommands.Add(GpuReportCommand.Create());
        ParseResult parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        if (parsed.Errors.Count > 0)
            return Report(InPlainWords(parsed.Errors[0].Message));
        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception exception) when (exception is InputException or ArgumentException or DeviceUnavailableException or DistributedException or IOException or UnauthorizedAccessException)
        {
            return Report(exception.Message);
        }
    }

    private static Command Peers()
    {
#if PEERS
        return PeersCommand.Create();
#else
        return WithoutPeers("peers", "The training step and each op beside libtorch's");
#endif
    }

    private static Command PeersInference()
    {
#if PEERS
        return PeersInferenceCommand.Create();
#else
        return WithoutPeers("peers-inference", "Recognition beside ONNX Runtime's");
#endif
    }

    private static Command PeersTraining()
    {
#if PEERS
        return PeersTrainingCommand.Create();
#else
        return WithoutPeers("peers-training", "A training run beside libtorch's");
#endif
    }

#if !PEERS
    private static Command WithoutPeers(string name, string what)
    {
        var command = new Command(name, $"{what}; needs a build with the other libraries: -p:Peers=true.") { TreatUnmatchedTokensAsErrors = false };
        command.SetAction(_ => Report($"{name}: this build is without the other libraries: dotnet run --project Ds2.Bench -p:Peers=true -- {name}"));
        return command;
    }
#endif

    private static int RunOps(string[] arguments)
    {
        if (arguments is ["--device", string device, .. string[] rest])
        {
            try
            {
                OpBenchmark.Device = DeviceChoice.Parse(device);
            }
            catch (FormatException exception)
            {
                return Report($"ops --device {exception.Message}");
            }

            arguments = rest;
        }

        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(arguments, new OpConfig());
        return 0;
    }

    /// <summary>A complaint of the command line's parser, without .NET's names of types.</summary>
    internal static string InPlainWords(string message) => message
        .Replace("as expected type 'System.Int32'", "as a whole number", StringComparison.Ordinal)
        .Replace("as expected type 'System.Int64'", "as a whole number", StringComparison.Ordinal)
        .Replace("as expected type 'System.Double'", "as a number", StringComparison.Ordinal);

    private static int Report(string message)
    {
        Console.Error.WriteLine($"ds2: {message.ReplaceLineEndings(" ")}");
        return BadInput;
    }
}
