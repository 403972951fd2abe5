using System.CommandLine;
using System.Text;
using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Files;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Recognition.Long;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Train.Commands.Transcription;
using Ds2.Train.Live;
using Ds2.Train.Transcripts;

namespace Ds2.Train.Commands;

/// <summary><c>transcribe</c>: recordings written down.</summary>
internal static class TranscribeCommand
{
    private const int Failed = 1, Interrupted = 130, DefaultAlternatives = 1;

    private static readonly Argument<string[]> Inputs = new("recordings")
    {
        Description = "files, folders (with all that is below them), globs in quotes (\"talks/**/*.mp4\"), or - for standard input",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<string> Checkpoint = new("--checkpoint") { Description = "a model, or a checkpoint of a training run", Required = true, HelpName = "FILE" };

    private static readonly Option<string[]> Formats = new("--format")
    {
        Description = $"{TranscriptFormat.Names}; several with commas between, or the option several times (default: txt)",
        HelpName = "FORMAT",
    };

    private static readonly Option<string?> Out = new("--out") { Description = "folder for the texts of several recordings (default: beside each); folders below a folder that is given are kept", HelpName = "DIR" };
    private static readonly Option<bool> Words = new("--words") { Description = "json has each word with its start, end and confidence" };
    private static readonly Option<int> Alternatives = CommandLine.Bounded("--nbest", "json has so many texts of each segment, the best first, by beam search", DefaultAlternatives, 1);
    private static readonly Option<bool> Overwrite = new("--overwrite") { Description = "write texts anew that are there already" };
    private static readonly Option<int?> Rate = new("--rate") { Description = "standard input is raw PCM, 16 bits, one channel, of so many samples a second (else WAV)", HelpName = "HZ" };
    private static readonly Option<bool> Live = new("--live")
    {
        Description = "write sound down while it comes through standard input (-): the current line is rewritten on a terminal, else a JSON object a line; for unidirectional models with normalization=corpus",
    };

    private static readonly Option<int> Jobs = CommandLine.Bounded("--jobs", "recordings read at once; 0 for one per core but one", 0, 0);
    private static readonly Option<int> BatchSeconds = CommandLine.Bounded("--batch-seconds", "sound in a batch, in seconds: memory is by this, not by the recordings' lengths", 60, 1);
    private static readonly Option<DeviceChoice> Device = CommandLine.Device();
    private static readonly Option<int> Threads = CommandLine.Threads();
    private static readonly DecodingArguments Decoding = new();

    public static Command Create()
    {
        var command = new Command("transcribe", "Writes recordings down: one to stdout, several to files.")
        {
            Inputs, Checkpoint, Formats, Out, Words, Alternatives, Overwrite, Rate, Live, Jobs, BatchSeconds, Device, Threads,
        };
        foreach (Option option in Decoding.Options)
            command.Options.Add(option);
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        using var interruption = new Interruption("stopping; what is written stays");
        string[] arguments = parsed.GetRequiredValue(Inputs);
        if (parsed.GetValue(Live))
            return RunLive(parsed, arguments, interruption.Token);
        TranscriptFormat[] formats = [.. (parsed.GetValue(Formats) is { Length: > 0 } named ? named : ["txt"]).SelectMany(name => name.Split(',')).Select(TranscriptFormat.Parse).Distinct()];
        bool toStdout = parsed.GetValue(Out) is null && formats.Length == 1 && arguments is [var only] && (only == RecordingList.StandardInput || !Directory.Exists(only) && !IsGlob(only));
        if (parsed.GetValue(Rate) is not null && !arguments.Contains(RecordingList.StandardInput))
            throw new InputException("--rate is that of raw PCM on standard input: name it with -");

        IReadOnlyList<ListedRecording> all = RecordingList.Find(arguments);
        ListedRecording[] recordings = toStdout ? [.. all] : [.. all.Where(recording => parsed.GetValue(Overwrite) || formats.Any(format => !File.Exists(PathOf(parsed, recording, format))))];
        if (recordings.Length < all.Count)
            Console.Error.WriteLine($"ds2: {all.Count - recordings.Length} of {all.Count} recordings have their texts already; --overwrite writes them anew");
        if (recordings.Length == 0)
            return 0;

        using ModelFile file = ModelFile.Open(parsed.GetRequiredValue(Checkpoint));
        using Decoding decoding = Decoding.Open(parsed, file.Description.Alphabet, interruption.Token);
        using IEngine engine = CommandLine.CreateEngine(parsed.GetValue(Device), parsed.GetValue(Threads));
        using DeepSpeech2 model = file.Load(engine);
        IDecoder decoder = decoding.Decoder(file.Description.Alphabet);
        using var recognizer = new Recognizer(model, decoder);
        var transcriber = new Transcriber(recognizer, file.Description, OptionsOf(parsed, formats, recordings.Length), decoder as BeamDecoder);
        IEnumerable<RecordingSource> sources = recordings.Select(recording => recording.Path == RecordingList.StandardInput
            ? new RecordingSource(recording.Path, Console.OpenStandardInput(), parsed.GetValue(Rate)) : new RecordingSource(recording.Path));
        return toStdout
            ? WriteOne(transcriber.Run(sources, cancellation: interruption.Token), formats[0].Writer(file.Path))
            : WriteAll(transcriber, sources, recordings, (recording, format) => PathOf(parsed, recording, format), formats, file.Path, interruption.Token);
    }

    private static int RunLive(ParseResult parsed, string[] arguments, CancellationToken cancellation)
    {
        if (arguments is not [RecordingList.StandardInput])
            throw new InputException("--live: sound comes through standard input: name - and nothing else, as in: arecord -f S16_LE -r 16000 | … transcribe --live --rate 16000 -");
        if (new Option[] { Formats, Out, Words, Alternatives, Overwrite }.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } meaningless)
            throw new InputException($"--live writes lines as they come, with their words, to stdout: leave out {meaningless.Name}");
        using ModelFile file = ModelFile.Open(parsed.GetRequiredValue(Checkpoint));
        using Decoding decoding = Decoding.Open(parsed, file.Description.Alphabet, cancellation);
        using IEngine engine = CommandLine.CreateEngine(parsed.GetValue(Device), parsed.GetValue(Threads));
        using DeepSpeech2 model = file.Load(engine);
        using var streaming = new StreamingModel(model, file.Description, decoders: () => decoding.Passage(file.Description.Alphabet));
        bool terminal = !Console.IsOutputRedirected;
        var options = new LiveOptions { Rate = parsed.GetValue(Rate), RewritesLine = terminal, LineWidth = terminal ? Math.Max(20, Console.WindowWidth) : 80 };
        using Stream input = Console.OpenStandardInput();
        new LiveLoop(streaming, options, Console.Out, Console.Error).Run(input, cancellation);
        return cancellation.IsCancellationRequested ? Interrupted : 0;
    }

    private static TranscriberOptions OptionsOf(ParseResult parsed, TranscriptFormat[] formats, int recordings)
    {
        bool json = formats.Any(format => format.Name == "json");
        int cores = Math.Max(1, Environment.ProcessorCount - 1), jobs = parsed.GetValue(Jobs);
        return new TranscriberOptions
        {
            Words = formats.Any(format => format.Name is not "txt"),
            Confidence = json && parsed.GetValue(Words) || formats.Any(format => format.Name == "ctm"),
            KeepsWords = parsed.GetValue(Words) || formats.Any(format => format.Name is not ("txt" or "json")),
            Alternatives = parsed.GetValue(Alternatives) > 1 ? parsed.GetValue(Alternatives) : 0,
            Readers = Math.Min(recordings, jobs > 0 ? jobs : cores),
            BatchSeconds = parsed.GetValue(BatchSeconds),
        };
    }

    private static int WriteOne(IEnumerable<TranscriptionOutcome> outcomes, ITranscriptWriter writer)
    {
        foreach (TranscriptionOutcome outcome in outcomes)
            writer.Write(outcome.Transcription ?? throw outcome.Fault!, Console.Out);
        return 0;
    }

    private static int WriteAll(
        Transcriber transcriber, IEnumerable<RecordingSource> sources, ListedRecording[] recordings, Func<ListedRecording, TranscriptFormat, string> pathOf, TranscriptFormat[] formats,
        string model, CancellationToken cancellation)
    {
        var byPath = recordings.ToDictionary(recording => recording.Path);
        var progress = new TranscriptionProgress(
            recordings.ToDictionary(recording => recording.Path, recording => File.Exists(recording.Path) ? new FileInfo(recording.Path).Length : 0), Console.Error, !Console.IsErrorRedirected);
        int unreadable = 0;
        bool stopped = false;
        try
        {
            foreach (TranscriptionOutcome outcome in transcriber.Run(sources, (_, seconds) => progress.Hear(seconds), cancellation))
            {
                if (outcome.Transcription is { } transcription)
                {
                    foreach (TranscriptFormat format in formats)
                        Write(pathOf(byPath[outcome.Source.Name], format), format.Writer(model), transcription);
                }
                else
                {
                    unreadable++;
                    progress.Note(outcome.Fault!.Message);
                }
                progress.End(outcome.Source.Name);
            }
        }
        catch (OperationCanceledException)
        {
            stopped = true;
        }
        progress.Finish();
        if (unreadable > 0)
            progress.Note($"{unreadable} of {recordings.Length} recordings could not be read");
        return stopped ? Interrupted : unreadable > 0 ? Failed : 0;
    }

    private static void Write(string path, ITranscriptWriter writer, Runtime.Recognition.Transcription transcription)
    {
        using var text = new StringWriter();
        writer.Write(transcription, text);
        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        AtomicFile.Write(path, stream => stream.Write(bytes));
    }

    /// <summary>In the folder that is asked for, else beside the recording.</summary>
    private static string PathOf(ParseResult parsed, ListedRecording recording, TranscriptFormat format)
    {
        string folder = parsed.GetValue(Out) is { } named ? Path.Combine(named, Path.GetDirectoryName(recording.Target) ?? "") : Path.GetDirectoryName(recording.Path) ?? "";
        return Path.Combine(folder, Path.GetFileName(recording.Target) + format.FileEnding);
    }

    private static bool IsGlob(string argument) => !File.Exists(argument) && argument.AsSpan().IndexOfAny('*', '?') >= 0;
}
