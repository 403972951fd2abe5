using System.CommandLine;
using System.Security.Cryptography;
using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Files;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Train.Reporting;
using Ds2.Train.Reporting.Metrics;
using Ds2.Train.Reporting.MlPerf;
using Ds2.Train.Reporting.Report;
using Ds2.Train.Reporting.RunFolder;
using Ds2.Train.Reporting.TensorBoard;

namespace Ds2.Train.Commands;

/// <summary><c>train</c>, the default command: trains until the target word error rate or the last epoch.</summary>
internal static class TrainCommand
{
    private static readonly Option<string?> Preset = new("--preset")
    {
        Description = "mini (the built-in corpus in seconds), cpu or gpu (one's own hours of speech on either), mlperf (the benchmark's model) or ds2 (5 bidirectional layers); default: mini without manifests, else cpu or gpu",
        HelpName = "mini|cpu|gpu|mlperf|ds2",
    };

    private static readonly Option<string?> Params = new("--params") { Description = "a JSON object of parameters, on top of the preset", HelpName = "FILE" };

    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "change a parameter (--list-parameters shows all)",
        HelpName = "name=value",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<string?> TrainManifest = new("--train-manifest")
    {
        Description = "lines 'audio path,text path'; audio may be WAV, FLAC, or MFCCs as .npy or .mfc",
        HelpName = "FILE",
    };

    private static readonly Option<string?> ValManifest = new("--val-manifest") { Description = "the validation set, likewise", HelpName = "FILE" };

    private static readonly Option<bool> Strict = StrictText.Option();
    private static readonly Option<bool> SkipBad = CorpusFaultReport.SkipBad();

    private static readonly Option<string?> FeatureCache = new("--feature-cache")
    {
        Description = "keep extracted features there for this and later runs; runs may share it",
        HelpName = "DIR",
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "folder of the run: checkpoints, metrics, report (default: runs/PRESET-DATE-TIME, runs/own-DATE-TIME where no preset is named for manifests)",
        HelpName = "DIR",
    };

    private static readonly Option<string?> Resume = new("--resume")
    {
        Description = "go on from a checkpoint; auto: from the latest in --out, or start if there is none",
        HelpName = "auto|FILE",
    };

    private static readonly Option<string?> Init = new("--init")
    {
        Description = "start with the parameters of a model or checkpoint, and with a history of its own: for training on other data",
        HelpName = "FILE",
    };

    private static readonly Option<string?> AlphabetPath = new("--alphabet")
    {
        Description = "what the model writes: a JSON array of labels, the blank first, or a text with a label a line (data alphabet makes one); default: English, or the alphabet of --init",
        HelpName = "FILE",
    };

    private static readonly DecodingArguments Decoding = new(trains: true);

    private static readonly Option<string> Decode = new Option<string>("--decode")
    {
        Description = "whose word error rate decides about target and best epoch: greedy's, or that of the beam search (of --lm, --beam, --hotwords or the run's own language model), which is counted beside it",
        HelpName = "greedy|beam",
        DefaultValueFactory = _ => "greedy",
    }.AcceptOnlyFromAmong("greedy", "beam");

    private static readonly Option<bool> ListParameters = new("--list-parameters") { Description = "what --set can change: meaning, values, and each preset's; nothing is trained" };

    private static readonly Option<double?> TargetWer = CommandLine.Number("--target-wer", "word error rate in percent that ends the run", "WER");
    private static readonly Option<int?> Epochs = CommandLine.Whole("--epochs", "epochs at most");
    private static readonly Option<int?> MaxBatches = CommandLine.Whole("--max-batches", "an epoch ends after N steps: for trials");
    private static readonly Option<int?> Seed = CommandLine.Whole("--seed", "of initial values and the order of batches");

    private static readonly Option<int> CheckpointMinutes =
        CommandLine.Bounded("--checkpoint-minutes", "time between checkpoints within an epoch; 0 for one after every step", 10, 0);

    private static readonly Option<int> CheckpointBatches =
        CommandLine.Bounded("--checkpoint-batches", "a checkpoint after every N steps of an epoch, too; 0 for none", 0, 0);

    private static readonly Option<int> Keep =
        CommandLine.Bounded("--keep", "keep the checkpoints of the last N epochs too, beside the best and the latest", 0, 0);

    private static readonly Option<bool> TensorBoard = new("--tensorboard") { Description = "write curves for TensorBoard too: DIR/tensorboard" };

    private static readonly Option<bool> MlPerf = new("--mlperf-log") { Description = "write MLPerf's log lines too: DIR/mlperf.log" };

    private static readonly Option<DeviceChoice> Device = CommandLine.Device();
    private static readonly Option<int> Threads = CommandLine.Threads();
    private static readonly Option<int> Loaders = CommandLine.Loaders();
    private static readonly Option<bool> Json = CommandLine.Json();

    /// <summary>What says that another command runs this one, and itself says how to go on.</summary>
    public const string WithoutHints = "--without-hints";

    private static readonly Option<bool> Unhinted = new(WithoutHints) { Hidden = true };

    public static Command Create()
    {
        var command = new Command("train", "Train until the target word error rate or the last epoch (the default command).");
        MakeDefault(command);
        return command;
    }

    /// <summary>Gives a command the options and the action of <c>train</c>.</summary>
    public static void MakeDefault(Command command)
    {
        Option[] all =
        [
            Preset, Params, Set, ListParameters, TrainManifest, ValManifest, Strict, SkipBad, FeatureCache, Out, Resume, Init, AlphabetPath, TargetWer, .. Decoding.Options, Decode, Epochs, MaxBatches, Seed, CheckpointMinutes,
            CheckpointBatches, Keep, TensorBoard, MlPerf, Device, Threads, Loaders, .. Ranks.Options, Json, Unhinted,
        ];
        foreach (Option option in all)
            command.Options.Add(option);
        command.SetAction(Run);
    }

    private static int Run(ParseResult parsed)
    {
        if (parsed.GetValue(ListParameters))
        {
            Console.Write(OptionList.Table());
            return 0;
        }

        return Ranks.Run(parsed, ranks => Run(parsed, ranks));
    }

    private static int Run(ParseResult parsed, Ranks ranks)
    {
        using var interruption = new Interruption("stopping before the training begins");
        var notes = new RunNotes(parsed.GetValue(Json));
        if (parsed.GetValue(Resume) == RunStart.ResumeAuto && parsed.GetValue(Out) is null)
            throw new InputException("--resume auto goes on with the run in --out: name its folder");
        // Before anything in the folder is looked at: of two that start at once, one is refused.
        using FolderLock? turn = ranks.IsFirst ? TakeFolder(parsed, notes) : null;
        string folder = ranks.AsFirst(() => parsed.GetValue(Out) ?? Path.GetRelativePath(Environment.CurrentDirectory, turn!.Folder));
        var checkpoints = new CheckpointPolicy(
            folder, TimeSpan.FromMinutes(parsed.GetValue(CheckpointMinutes)), parsed.GetValue(CheckpointBatches) is > 0 and var batches ? batches : null,
            parsed.GetValue(Keep));
        Alphabet? alphabet = parsed.GetValue(AlphabetPath) is { } file ? AlphabetFile.Read(file) : null;
        using RunStart start = RunStart.Find(parsed.GetValue(Resume), parsed.GetValue(Init), checkpoints, notes.Add, alphabet);
        string? parameters = ReadParams(parsed);
        RunOptions options = Shared(parsed, Options(parsed, parameters, start.Basis(parsed.GetValue(Preset), notes.Add)), ranks);
        start.Compare(options, notes.Add);
        if (parsed.GetValue(MaxBatches) is < 1)
            throw new InputException("--max-batches must be at least 1");
        using Decoding named = Decoding.Open(parsed, start.Alphabet, interruption.Token);
        bool beamDecides = parsed.GetValue(Decode) == "beam";
        // A run whose preset is chosen makes a language model of its own, and one that goes on may have it.
        bool mayFindWords = !Decoding.IsAsked(parsed) && (IsChosen(parsed, start) || start.Resume is not null);
        if (beamDecides && !named.IsBeam && !mayFindWords)
            throw BeamWithoutSearch();
        RunManifests manifests = ManifestsOf(parsed, start, notes);
        Corpus training = CorpusInput.Load(manifests.Training, start.Alphabet, parsed.GetValue(SkipBad), interruption.Token);
        Corpus validation = CorpusInput.Load(manifests.Validation, start.Alphabet, parsed.GetValue(SkipBad), interruption.Token);
        StrictText.Note(training, parsed.GetValue(Strict), notes.Add);
        StrictText.Note(validation, parsed.GetValue(Strict), notes.Add);
        DeviceChoice device = ranks.Device(parsed.GetValue(Device));
        IEngine engine = ranks.Keep(CommandLine.CreateEngine(device, ranks.Threads(parsed.GetValue(Threads))));
        ranks.RequireOwnGpu(parsed.GetValue(Device), engine);
        ranks.CheckBuffers(parsed, engine);
        PresetChoice? chosen = null;
        if (IsChosen(parsed, start))
        {
            bool holdsCoefficients = training.Utterances.Concat(validation.Utterances).Any(utterance => utterance.HoldsFeatures);
            options = Choose(null);
            // Once more, for what the user's options and the number of ranks make of it: a run of fewer steps warms up over fewer.
            options = Choose(options);

            RunOptions Choose(RunOptions? asked)
            {
                chosen = PresetChoice.For(training.TotalSeconds / 3600, training.Utterances.Count, engine is not HostEngine, holdsCoefficients, asked);
                return Shared(parsed, Options(parsed, parameters, start.Basis(chosen)), ranks);
            }
        }

        DeepSpeech2 model = ranks.Keep(start.CreateModel(options, engine, notes.Add));
        using RunReporters reporters = ranks.IsFirst ? CreateReporters(parsed, notes) : new RunReporters([]);
        using TrainingData data = TrainingData.Open(
            options, start.Describe(options), model, training, validation, parsed.GetValue(FeatureCache), ranks.Loaders(parsed.GetValue(Loaders)), notes.Add, interruption.Token, ranks.Lane);
        using TranscriptModel? words = WordsOf(parsed, start, data.Corpus, chosen is not null, notes, interruption.Token);
        Decoding decoding = words is null ? named : named with { Model = words.Model, IsBeam = true };
        using var trainer = new Trainer(
            options, model, data.Description, data.Training, data.Validation, checkpoints, reporters, parsed.GetValue(MaxBatches), start.Resume,
            decoding.IsBeam ? new BeamValidation(decoding.Decoder(start.Alphabet, ranks.Threads(parsed.GetValue(Threads))), beamDecides) : null, ranks.Communicator);
        RequireSame(ranks, parsed, options, start, data, engine, decoding);
        if (beamDecides && !decoding.IsBeam)
            throw BeamWithoutSearch();
        IReadOnlyList<RankPlace>? places = ranks.Places(device, engine);
        // Only now is it known that the checkpoint fits the options: a run that cannot start leaves an earlier one as it was.
        reporters.Start(new RunSetup(options, model, start.Alphabet, data.Corpus, validation, folder, trainer.BatchesPerEpoch, parsed.GetValue(MaxBatches), start.Resume, start.Initial?.Path, beamDecides, chosen,
            places, ranks.Library(engine), words, notes.Lines));
        // After the start of the metrics, by which a run that is killed here is known for one that may begin again.
        if (ranks.IsFirst)
            data.ListLeftOut(folder);
        interruption.Token.ThrowIfCancellationRequested();
        interruption.Doing = "finishing the step and saving; once more to end at once";
        TrainingResult result = trainer.Run(interruption.Token);
        reporters.End(result);
        return result.Interrupted ? Failure.Interrupted : 0;
    }

    private static FolderLock TakeFolder(ParseResult parsed, RunNotes notes) => parsed.GetValue(Out) is { } named
        ? FolderLock.Take(named, FolderLock.RunFile, notes.Add)
        : FolderLock.TakeUnused(Path.Combine("runs", $"{parsed.GetValue(Preset) ?? (parsed.GetValue(TrainManifest) is null ? "mini" : "own")}-{DateTime.Now:yyyyMMdd-HHmmss}"), FolderLock.RunFile, notes.Add);

    /// <summary>The language model of the run's own transcripts: a new one where it is asked for or the preset was chosen for the user, that of its folder where it goes on; null for none.</summary>
    private static TranscriptModel? WordsOf(ParseResult parsed, RunStart start, Corpus training, bool chosen, RunNotes notes, CancellationToken cancellation)
    {
        bool asked = Decoding.AsksForTranscripts(parsed);
        if (!asked && Decoding.IsAsked(parsed))
            return null;
        try
        {
            if (asked || chosen)
                return TranscriptModel.Estimate(training, start.Alphabet, cancellation);
            return start.Resume is { Path: var checkpoint } ? TranscriptModel.Open(Path.GetDirectoryName(Path.GetFullPath(checkpoint))!) : null;
        }
        catch (InputException exception) when (!asked)
        {
            notes.Add($"no language model beside greedy decoding: {exception.Message} (--lm transcripts makes one anew)");
            return null;
        }
    }

    private static InputException BeamWithoutSearch() =>
        new("--decode beam needs a beam search: give --lm (transcripts for a model of the training set's own), --beam or --hotwords");

    /// <summary>The options of a job: a step has a batch for each rank, if nothing else is said.</summary>
    private static RunOptions Shared(ParseResult parsed, RunOptions options, Ranks ranks)
    {
        bool isSaid = parsed.GetValue(Set)?.Any(setting => setting.StartsWith("accumulate=", StringComparison.Ordinal)) ?? false;
        return options with { Data = options.Data with { Accumulate = ranks.Accumulate(options.Data.Accumulate, isSaid) } };
    }

    /// <summary>What would let ranks train different models, or wait for each other for ever.</summary>
    private static void RequireSame(Ranks ranks, ParseResult parsed, RunOptions options, RunStart start, TrainingData data, IEngine engine, Decoding decoding) => ranks.RequireSame(
        ("versions of the program", typeof(TrainCommand).Assembly.ManifestModule.ModuleVersionId.ToString()),
        // Of --device auto some could have found a GPU and others none.
        ("kinds of devices", engine is HostEngine ? "host" : "GPU"),
        // Before the options, which a run that goes on has from there: a folder that one machine does not see.
        ("checkpoints to go on from", DigestOf(start.Resume?.Path ?? start.Initial?.Path)),
        ("options", $"{options.ToJson()} {parsed.GetValue(MaxBatches)} {parsed.GetValue(CheckpointBatches)} {parsed.GetValue(Keep)} {parsed.GetValue(Decode)}"),
        ("options of the beam search", $"{decoding.IsBeam} {decoding.Options}"),
        ("hot words", decoding.HotWords is { } hot ? string.Join('\n', hot.Phrases) : ""),
        ("labels", string.Join('\n', start.Alphabet.Labels)),
        ("training utterances", data.Training.PlanOf(0)),
        ("texts or lengths of training recordings", data.Training.ContentOf()),
        ("validation utterances", data.Validation.PlanOf(0)),
        ("texts or lengths of validation recordings", data.Validation.ContentOf()),
        // After the texts, of which it may be made.
        ("language models", decoding.Model is { } used ? $"{used.Order} {used.Bytes}" : ""));

    /// <summary>A digest of a whole file; empty for none.</summary>
    private static string DigestOf(string? path)
    {
        if (path is null)
            return "";
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>Who is told of the run; what the run could do without may fail. The report comes last: it reads the metrics, and no other's time is to hold its writing.</summary>
    private static RunReporters CreateReporters(ParseResult parsed, RunNotes notes)
    {
        List<IRunReporter> reporters = [parsed.GetValue(Json) ? new JsonReporter() : new ConsoleReporter { GivesHints = !parsed.GetValue(Unhinted) }, notes, new MetricsLog()];
        if (parsed.GetValue(MlPerf))
            reporters.Add(new TolerantReporter(new MlPerfLog()));
        if (parsed.GetValue(TensorBoard))
            reporters.Add(new TolerantReporter(new TensorBoardLog()));
        reporters.Add(new LoaderNote(CommandLine.LoadersOf(parsed.GetValue(Loaders)), notes.Add));
        reporters.Add(new TolerantReporter(new RunFolderReporter()));
        reporters.Add(new TolerantReporter(new HtmlReport()));
        return new RunReporters(reporters);
    }

    /// <summary>The text of <c>--params</c>, read once, as it may come from a pipe; null for none.</summary>
    private static string? ReadParams(ParseResult parsed)
    {
        if (parsed.GetValue(Params) is not { } file)
            return null;
        return File.Exists(file) ? File.ReadAllText(file) : throw InputException.NoFile(file, "--params");
    }

    /// <summary>File, settings and single options, each on top of the one before.</summary>
    private static RunOptions Options(ParseResult parsed, string? parameters, RunOptions options)
    {
        if (parameters is not null)
            options = RunOptions.Parse(parameters, parsed.GetValue(Params)!, options);
        foreach (string setting in parsed.GetValue(Set) ?? [])
        {
            int equals = setting.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
                throw new InputException($"--set {setting}: expected name=value");
            options = options.With(setting[..equals], setting[(equals + 1)..]);
        }

        if (parsed.GetValue(TargetWer) is { } target)
            options = double.IsFinite(target) ? options with { Training = options.Training with { TargetWer = target } } : throw new InputException("--target-wer must be a number");
        if (parsed.GetValue(Epochs) is { } epochs)
            options = epochs >= 1 ? options with { Training = options.Training with { Epochs = epochs } } : throw new InputException("--epochs must be at least 1");
        return parsed.GetValue(Seed) is { } seed ? options with { Training = options.Training with { Seed = seed } } : options;
    }

    /// <summary>Whether corpus and device decide about the preset.</summary>
    private static bool IsChosen(ParseResult parsed, RunStart start) => parsed.GetValue(Preset) is null && parsed.GetValue(TrainManifest) is not null && start.Resume is null;

    /// <summary>The manifests that are named; else those that a resumed run had, as it keeps its options; else the built-in corpus's.</summary>
    private static RunManifests ManifestsOf(ParseResult parsed, RunStart start, RunNotes notes)
    {
        string? training = parsed.GetValue(TrainManifest), validation = parsed.GetValue(ValManifest);
        if (training is null != validation is null)
            throw new InputException("--train-manifest and --val-manifest go together; without both, the built-in corpus is used");
        if (training is not null)
            return new RunManifests(training, validation!);
        string? folder = start.Resume is null ? null : Path.GetDirectoryName(Path.GetFullPath(start.Resume.Path))!;
        if (folder is null || RunManifests.Of(folder) is not { } own)
        {
            if (MeansOwnSpeech(parsed, folder) is { } meant)
                notes.Add($"{meant}, and no manifests are named: trains on the built-in corpus (--train-manifest and --val-manifest name another)");
            return RunManifests.BuiltIn;
        }

        notes.Add($"goes on with its own manifests: {own.Training}, {own.Validation}");
        return own;
    }

    /// <summary>By what somebody may mean other speech than the built-in corpus, and have forgotten its manifests; null where nothing says so.</summary>
    private static string? MeansOwnSpeech(ParseResult parsed, string? resumed) =>
        resumed is not null ? File.Exists(Path.Combine(resumed, RunStarts.FileName)) ? null : $"{resumed} does not say what the run was trained on"
        : parsed.GetValue(Init) is { } model ? $"{Init.Name} {model}"
        : parsed.GetValue(AlphabetPath) is { } labels ? $"{AlphabetPath.Name} {labels}"
        : parsed.GetValue(Preset) is "cpu" or "gpu" ? $"{Preset.Name} {parsed.GetValue(Preset)} is for one's own speech" : null;
}
