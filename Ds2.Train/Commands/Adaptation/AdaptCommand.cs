using System.CommandLine;
using System.Globalization;
using System.Text;
using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Files;
using Ds2.Runtime.Model;
using Ds2.Train.Commands.Transcription;

namespace Ds2.Train.Commands.Adaptation;

/// <summary><c>adapt</c>: a model that understands new voices better, made from recordings of them that nobody has written down.</summary>
/// <remarks>
/// Iterative pseudo-labelling (Xu, Likhomanenko, Kahn, Hannun, Synnaeve and Collobert, "Iterative Pseudo-Labeling for Speech Recognition", 2020): the model writes the recordings down with a language model, which
/// mends some of what it misheard; it is trained on that, and writes them down again. Each round is a <c>transcribe</c> and a <c>train --init</c>, with files that a user can read, mend and use by hand.
/// </remarks>
internal static class AdaptCommand
{
    /// <summary>What a round writes down and trains with, so that one command line's rounds all do the same.</summary>
    private const string SettingsFile = "adapt.txt";

    private const int DefaultRounds = 2, DefaultEpochs = 4;

    private const double DefaultRate = 1e-3;

    /// <summary>Of a minute's recordings an epoch is a step or two: the preset's would be the whole training.</summary>
    private const int WarmupSteps = 10;

    private static readonly Argument<string[]> Inputs = new("recordings")
    {
        Description = "recordings of the new voices: files, folders (with all that is below them), globs in quotes",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<string> Checkpoint = new("--checkpoint") { Description = "the model to start from, or a checkpoint of a training run", Required = true, HelpName = "FILE" };
    private static readonly Option<string> Out = new("--out") { Description = "folder for the rounds' texts and training runs; after an interruption the same command goes on there", Required = true, HelpName = "DIR" };
    private static readonly Option<string?> With = new("--with")
    {
        Description = "a manifest of transcribed speech, best the model's training set: as many utterances of it as are written down are trained on beside them, so that its voices are not forgotten",
        HelpName = "FILE",
    };

    private static readonly Option<int> Rounds = CommandLine.Bounded("--rounds", "how often the recordings are written down and trained on; more than an earlier command with this --out did: it goes on from there", DefaultRounds, 1, 1000);
    private static readonly Option<int> Epochs = CommandLine.Bounded("--epochs", "epochs of each round's training", DefaultEpochs, 1);
    private static readonly Option<double?> Rate = CommandLine.Number("--lr", $"learning rate, which falls to zero within each round ({Text(DefaultRate)})", "X", 0, 1);
    private static readonly Option<int> Seed = CommandLine.Bounded("--seed", "of the order of batches and what is changed in the recordings while they are trained on", 1);
    private static readonly Option<DeviceChoice> Device = CommandLine.Device();
    private static readonly Option<int> Threads = CommandLine.Threads();
    private static readonly DecodingArguments Decoding = new(needsModel: true);

    public static Command Create()
    {
        var command = new Command(
            "adapt", "Makes a model understand new voices better by recordings of them without transcripts: writes them down with a language model (--lm; default: words.lm beside the checkpoint), trains on that, and again.")
        {
            Inputs, Checkpoint, Out, With, Rounds, Epochs, Rate, Seed, Device, Threads,
        };
        foreach (Option option in Decoding.Options)
            command.Options.Add(option);
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        string folder = parsed.GetRequiredValue(Out), first = Path.GetFullPath(parsed.GetRequiredValue(Checkpoint)), model = first;
        using var interruption = new Interruption("stopping; the same command goes on");
        using ModelFile file = ModelFile.Open(model);
        string[] decoding = DecodingOf(parsed, model), shared = [.. Given(parsed, Device, Threads)];
        ListedRecording[] recordings = RecordingsOf(parsed.GetRequiredValue(Inputs), folder);
        string[] training = ["--epochs", Text(parsed.GetValue(Epochs)), "--set", $"lr={Text(parsed.GetValue(Rate) ?? DefaultRate)}", "--set", $"warmupSteps={WarmupSteps}", "--seed", Text(parsed.GetValue(Seed))];
        string? with = parsed.GetValue(With) is { } manifest ? Path.GetFullPath(manifest) : null;
        ManifestEntry[] transcribed = with is null ? [] : TranscribedOf(with, recordings, file, interruption.Token);
        using FolderLock turn = FolderLock.Take(folder, FolderLock.RunFile, line => Console.Error.WriteLine($"ds2: {line}"));
        RequireSame(folder, [model, $"with {with ?? "nothing"}", .. recordings.Select(recording => Path.GetFullPath(recording.Path)), .. decoding, .. training]);
        string[] utterances = UtteranceFiles.Of(recordings, file.Description, Path.Combine(folder, "pieces"), interruption.Token);
        AdaptationRound round = new(1, folder);
        for (int number = 1; number <= parsed.GetValue(Rounds); number++, model = round.Model)
        {
            round = new AdaptationRound(number, folder);
            int code = round.Run(utterances, transcribed, model, [.. decoding, .. shared], [.. training, .. shared], interruption.Token);
            if (code == Failure.Interrupted)
                Console.Error.WriteLine("ds2: adapt goes on with the same command");
            if (code != 0)
                return code;
        }

        // What is found beside the model to start from is found beside the one that came of it, whatever wrote the recordings down.
        if (DecodingArguments.FoundBeside(first) is { } words)
            AtomicFile.Copy(words, DecodingArguments.BesideOf(model));
        Console.WriteLine($"adapted to {round.Heard} utterances: {Path.GetRelativePath(Environment.CurrentDirectory, model)}");
        return 0;
    }

    /// <summary>The recordings that are meant; the pieces of an earlier command are none, where its folder is among them.</summary>
    private static ListedRecording[] RecordingsOf(string[] inputs, string folder)
    {
        RecordingList list = RecordingList.Find(inputs, folder);
        foreach (string fault in list.Faults)
            Console.Error.WriteLine($"ds2: {fault}");
        foreach (string link in list.Links)
            Console.Error.WriteLine($"ds2: {link}: a link to a folder is not followed; name it if it is meant");
        string own = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Path.DirectorySeparatorChar;
        ListedRecording[] others = [.. list.Recordings.Where(recording => !Path.GetFullPath(recording.Path).StartsWith(own, StringComparison.Ordinal))];
        return others.Length > 0 ? others : throw new InputException($"{folder}: has all the recordings in it; --out is a folder for what is made of them");
    }

    /// <summary>The options of the search, as they were given; the language model of the run that the checkpoint is of, where none was.</summary>
    private static string[] DecodingOf(ParseResult parsed, string model)
    {
        string words = Decoding.ModelOf(parsed, model)
            ?? throw new InputException($"adapt needs a language model, which mends what the model mishears: give one with --lm (lm build makes one of text; that of the checkpoint's run would be {DecodingArguments.BesideOf(model)})");
        string[] given = [.. Given(parsed, [.. Decoding.Options])];
        return given.Contains("--lm") ? given : [.. given, "--lm", words];
    }

    private static IEnumerable<string> Given(ParseResult parsed, params Option[] options) => options
        .Where(option => parsed.GetResult(option) is { Implicit: false })
        .SelectMany(option => (string[])[option.Name, option.Name is "--lm" or "--hotwords" ? Path.GetFullPath(parsed.GetResult(option)!.Tokens[^1].Value) : parsed.GetResult(option)!.Tokens[^1].Value]);

    /// <summary>What of a manifest is trained on beside: found to be sound before hours of writing down. What has a transcript and is written down all the same is trained on as it was written down: no recording twice.</summary>
    /// <exception cref="InputException">An entry cannot be trained on, or all are among the recordings.</exception>
    private static ManifestEntry[] TranscribedOf(string manifest, ListedRecording[] recordings, ModelFile model, CancellationToken cancellation)
    {
        CorpusInput.Load(manifest, model.Description.Alphabet, skipBad: false, cancellation).RequireFeatures(model.Description.Options.Features);
        HashSet<string> heard = [.. recordings.Select(recording => Path.GetFullPath(recording.Path))];
        ManifestEntry[] others = [.. ManifestFile.Read(manifest).Where(entry => !heard.Contains(entry.AudioPath))];
        return others.Length > 0 ? others : throw new InputException($"{manifest}: lists nothing but the recordings that are adapted to: leave --with out");
    }

    /// <summary>A folder's rounds are all of one model, the same recordings and options: what is there is not made anew. A command that came to nothing, as its language model could not be read, say, binds none.</summary>
    /// <exception cref="InputException">The folder holds texts of others.</exception>
    private static void RequireSame(string folder, string[] settings)
    {
        string path = Path.Combine(folder, SettingsFile), now = string.Join('\n', settings) + "\n";
        if (File.Exists(path) && File.ReadAllText(path) == now)
            return;
        if (new AdaptationRound(1, folder).HasTexts)
            throw new InputException($"{folder}: holds texts of another model, other recordings or other options ({SettingsFile} lists them): name another --out");
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(now)));
    }

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
