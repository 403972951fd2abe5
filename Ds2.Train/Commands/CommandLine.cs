using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Files;
using Ds2.Train.Commands.Adaptation;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary>The commands and the options that several of them share.</summary>
internal static class CommandLine
{
    /// <summary>More than any machine has cores.</summary>
    public const int MostThreads = 4096;

    /// <summary>All commands; without one, <c>train</c> runs.</summary>
    public static RootCommand Create()
    {
        var root = new RootCommand(
            """
            Ds2 trains DeepSpeech2 speech recognition and writes recordings down with it, with kernels written by hand.

            Examples:
              Ds2.Train                                                       train the small preset on the built-in corpus
              Ds2.Train data download                                         all of LibriSpeech into ./LibriSpeech_dataset
              Ds2.Train prepare --source LibriSpeech --out data               WAV files, texts and manifests from LibriSpeech
              Ds2.Train train --preset mlperf --train-manifest data/libri_train_manifest.csv --val-manifest data/libri_val_manifest.csv --out runs/mlperf
              Ds2.Train train --resume auto --train-manifest data/libri_train_manifest.csv --val-manifest data/libri_val_manifest.csv --out runs/mlperf
              Ds2.Train evaluate --checkpoint runs/mlperf/best.safetensors --manifest data/libri_test_manifest.csv
              Ds2.Train transcribe --checkpoint runs/mlperf/best.safetensors talks --format srt --out texts
              Ds2.Train adapt recordings --checkpoint runs/mine/latest.safetensors --out runs/adapted
              Ds2.Train lm build --text sentences.txt --order 4 --out words.lm
              Ds2.Train transcribe --checkpoint runs/mlperf/best.safetensors --lm words.lm talk.flac

            Exit codes: 0 done, 2 usage or bad input, 1 anything else, 130 interrupted.
            """);
        Command train = TrainCommand.Create();
        TrainCommand.MakeDefault(root);
        root.Subcommands.Add(train);
        root.Subcommands.Add(EvaluateCommand.Create());
        root.Subcommands.Add(TranscribeCommand.Create());
        root.Subcommands.Add(AdaptCommand.Create());
        root.Subcommands.Add(PrepareCommand.Create());
        root.Subcommands.Add(DataCommand.Create());
        root.Subcommands.Add(LmCommand.Create());
        root.Subcommands.Add(FeaturesCommand.Create());
        root.Subcommands.Add(DevicesCommand.Create());
        return root;
    }

    /// <summary>
    /// A line for each option and argument that was given a value of nothing or blanks, as a shell gives it where a variable is unset. None of ours means
    /// anything by it, and taken for a path it would be the working folder.
    /// </summary>
    public static IEnumerable<string> EmptyValues(ParseResult parsed)
    {
        for (SymbolResult? result = parsed.CommandResult; result is CommandResult command; result = result.Parent)
        {
            foreach (SymbolResult child in command.Children)
            {
                string? name = child switch
                {
                    OptionResult option => option.Option.Name,
                    ArgumentResult argument => argument.Argument.Name,
                    _ => null,
                };
                if (name is not null && child.Tokens.Any(token => string.IsNullOrWhiteSpace(token.Value)))
                    yield return $"{name}: the value is empty";
            }
        }
    }

    /// <summary><c>--device</c>.</summary>
    public static Option<DeviceChoice> Device() => new("--device")
    {
        Description = "auto (CUDA, else host), cuda, opencl, host or emulated; of several GPUs another than the first: cuda:1 (the command devices lists them)",
        DefaultValueFactory = _ => new DeviceChoice(DeviceKind.Auto),
        CustomParser = result =>
        {
            try
            {
                return DeviceChoice.Parse(result.Tokens[^1].Value);
            }
            catch (FormatException exception)
            {
                result.AddError($"--device {exception.Message}");
                return default;
            }
        },
        HelpName = DeviceChoice.Forms,
    };

    /// <summary><c>--threads</c>.</summary>
    public static Option<int> Threads() => Bounded("--threads", "threads of the host engine and of a beam search; 0 for one per core", 0, 0, MostThreads);

    /// <summary>The number of threads that a value of <c>--threads</c> stands for, for what is not the engine's.</summary>
    public static int ThreadsOf(int value) => value > 0 ? value : Environment.ProcessorCount;

    /// <summary><c>--recurrent-precision</c>, of what recognizes.</summary>
    public static Option<string?> Precision() => new Option<string?>("--recurrent-precision")
    {
        Description = "how recurrent weights are read: fp16 is half the bytes, which is what a large model's time goes by when it hears one utterance at a time (default: as the model was trained)",
        HelpName = "fp32|fp16",
    }.AcceptOnlyFromAmong("fp32", "fp16");

    /// <summary>What a value of <c>--recurrent-precision</c> stands for; null for none.</summary>
    public static RecurrentPrecision? PrecisionOf(string? value) => value is null ? null : Enum.Parse<RecurrentPrecision>(value, ignoreCase: true);

    /// <summary><c>--loaders</c>.</summary>
    public static Option<int> Loaders() => Bounded("--loaders", "threads that read recordings and extract features; 0 for one per core but one, 2 to 8", 0, 0, MostThreads);

    /// <summary>The number that a value of <c>--loaders</c> stands for.</summary>
    public static int LoadersOf(int value) => value > 0 ? value : BatchLoader.DefaultWorkers;

    /// <summary><c>--json</c>.</summary>
    public static Option<bool> Json() => new("--json") { Description = "one JSON object a line on stdout, nothing else there" };

    /// <summary>An integer option with a smallest and a largest value.</summary>
    public static Option<int> Bounded(string name, string description, int value, int minimum = int.MinValue, int maximum = int.MaxValue) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => value,
        HelpName = "N",
        CustomParser = result => WholeOf(result, name, result.Tokens[^1].Value, minimum, maximum) ?? value,
    };

    /// <summary>An option of a whole number that has no default.</summary>
    public static Option<int?> Whole(string name, string description, string helpName = "N", int minimum = int.MinValue, int maximum = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result => WholeOf(result, name, result.Tokens[^1].Value, minimum, maximum),
    };

    /// <summary>The whole number that a value of an option stands for; what is none, or none of those allowed, is an error of the option. The library's own parser speaks of types of .NET.</summary>
    public static int? WholeOf(SymbolResult result, string name, string value, int minimum = int.MinValue, int maximum = int.MaxValue)
    {
        if (!int.TryParse(value, NumberStyles.Integer, CultureInfo.InvariantCulture, out int given))
            result.AddError($"{name} must be a whole number, not {value}");
        else if (given < minimum)
            result.AddError($"{name} must be at least {minimum}");
        else if (given > maximum)
            result.AddError($"{name} must be at most {maximum}");
        else
            return given;
        return null;
    }

    /// <summary>An option of a number that need not be whole. The library's own parser takes commas between digits, too, and makes 25 of <c>2,5</c>.</summary>
    public static Option<double?> Number(string name, string description, string helpName, double least = double.NegativeInfinity, double most = double.PositiveInfinity) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result => NumberOf(result, name, result.Tokens[^1].Value, least, most),
    };

    /// <summary>The number that a value of an option stands for; what is none, or none of those allowed, is an error of the option.</summary>
    public static double? NumberOf(SymbolResult result, string name, string value, double least = double.NegativeInfinity, double most = double.PositiveInfinity)
    {
        if (double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double given) && given >= least && given <= most)
            return given;
        string range = double.IsInfinity(most) ? $"such as 2.5, not {value}" : string.Create(CultureInfo.InvariantCulture, $"from {least} to {most}");
        result.AddError($"{name} must be a number {range}");
        return null;
    }

    /// <summary>Refuses an output that is a folder, or one of the command's own inputs, by its own name or through links: it would be gone.</summary>
    /// <param name="option">The output's option.</param>
    /// <param name="output">Its file.</param>
    /// <param name="inputs">Files that are read; what is no file's name counts for nothing.</param>
    /// <exception cref="InputException">It is one.</exception>
    public static void RequireApart(string option, string output, params IEnumerable<string?> inputs)
    {
        // Before the work, of which nothing would be left.
        if (Directory.Exists(output))
            throw new InputException($"{option} {output}: is a folder: name a file");
        string written = FileIdentity.Of(output);
        if (inputs.FirstOrDefault(input => input is not null && FileIdentity.Of(input) == written) is { } same)
            throw new InputException($"{option} {output}: is what {same} is read from, and would replace it: name another file");
    }

    /// <summary>Refuses an output that is one of the manifests that a command reads, or of the recordings and texts that they list.</summary>
    /// <param name="option">The output's option.</param>
    /// <param name="output">Its file.</param>
    /// <param name="manifests">The manifests.</param>
    /// <exception cref="InputException">It is one of them, or a manifest cannot be read.</exception>
    public static void RequireApartFromData(string option, string output, params IEnumerable<string> manifests)
    {
        RequireApart(option, output, manifests);
        // What is not there yet, nobody reads: the files of a large data set are not all looked at for it.
        if (!File.Exists(output))
            return;
        // Nor is a pipe read for it: nothing would be left for the command.
        foreach (string manifest in manifests.Where(manifest => !FileIdentity.IsPipe(manifest)))
            RequireApart(option, output, ManifestFile.Read(manifest).SelectMany(entry => (string[])[entry.AudioPath, entry.TextPath]));
    }

    /// <summary>The engine asked for, its kernels compiled: a run's first step takes no longer than the others.</summary>
    /// <exception cref="InputException">It was asked for by name and is absent or cannot be used.</exception>
    public static IEngine CreateEngine(DeviceChoice choice, int threads)
    {
        IEngine engine;
        try
        {
            engine = EngineFactory.Create(choice, threads, line => Console.Error.WriteLine($"ds2: --device auto: {line}"));
        }
        catch (DeviceUnavailableException exception)
        {
            throw new InputException($"--device {choice}: {exception.Message}", exception);
        }

        if (ProfilerRange.IsWanted && !ProfilerRange.IsOn)
            Console.Error.WriteLine($"ds2: {ProfilerRange.Variable}=1: NVIDIA's NVTX library was not found, so a profile will have no names");
        return engine is IlgpuEngine device ? WorkReport.Run(progress => Compile(device, progress)) : engine;
    }

    private static IlgpuEngine Compile(IlgpuEngine device, IWorkProgress progress)
    {
        using IWorkItem work = progress.Begin("compiling kernels", device.KernelsToCompile, WorkUnit.Items);
        device.CompileKernels(() => work.Advance(1));
        return device;
    }
}
