using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Files;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Recognition.Long;
using Ds2.Train.Transcripts;

namespace Ds2.Train.Commands.Transcription;

/// <summary><c>transcribe</c> of recordings that are there: a single one to stdout, else to files.</summary>
internal static class FileTranscription
{
    private const int Failed = 1;

    /// <summary>Runs.</summary>
    /// <exception cref="InputException">The options contradict each other, the model cannot be read, or the single recording cannot.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted before the single recording was written.</exception>
    public static int Run(ParseResult parsed)
    {
        using var interruption = new Interruption("stopping; the texts that are written stay");
        string[] arguments = parsed.GetRequiredValue(TranscribeCommand.Inputs);
        string? folder = parsed.GetValue(TranscribeCommand.Out);
        TranscriptFormat[] formats = FormatsOf(parsed);
        RequireUse(parsed, arguments, formats);
        if (File.Exists(folder))
            throw new InputException($"{folder}: is a file; --out is a folder");
        RecordingList list = RecordingList.Find(arguments, folder);
        bool toStdout = folder is null && formats.Length == 1 && list is { AreNamed: true, Recordings.Count: 1 };
        if (toStdout && TranscribeCommand.IsGiven(parsed, TranscribeCommand.Overwrite))
            throw new InputException("--overwrite is about files, and a single recording goes to stdout: name a folder for its text with --out");
        if (formats.Any(format => format.Name == "ctm"))
            RequireCtmNames(list.Recordings);
        // Without it every file that is there stays, and so what is read.
        if (parsed.GetValue(TranscribeCommand.Overwrite))
            RequireApart(parsed, list.Recordings, formats);
        foreach (string link in list.Links)
            Console.Error.WriteLine($"ds2: {link}: a link to a folder is not followed; name it if it is meant");

        // Before it is known whether there is anything to do: a wrong path is an error in any case.
        using ModelFile file = ModelFile.Open(parsed.GetRequiredValue(TranscribeCommand.Checkpoint));
        using Decoding decoding = TranscribeCommand.Decoding.Open(parsed, file.Description.Alphabet, interruption.Token, file.Path);
        RecordingTexts[] all = [.. list.Recordings.Select(recording => RecordingTexts.Of(recording, formats, keeps: !toStdout && !parsed.GetValue(TranscribeCommand.Overwrite)))];
        RecordingTexts[] texts = [.. all.Where(recording => recording.Formats.Count > 0)];
        int total = all.Length * formats.Length, kept = total - texts.Sum(recording => recording.Formats.Count);
        if (kept > 0)
            Console.Error.WriteLine($"ds2: {kept} of {total} texts are there already and stay; --overwrite writes them anew");
        foreach (string fault in list.Faults)
            Console.Error.WriteLine($"ds2: {fault}");
        int code = list.Faults.Count > 0 ? Failed : 0;
        if (texts.Length == 0)
            return code;
        if (folder is not null)
            Directory.CreateDirectory(folder);

        using IEngine engine = CommandLine.CreateEngine(parsed.GetValue(TranscribeCommand.Device), parsed.GetValue(TranscribeCommand.Threads));
        using DeepSpeech2 model = file.Load(engine, precision: CommandLine.PrecisionOf(parsed.GetValue(TranscribeCommand.Precision)));
        using var recognizer = new Recognizer(model, decoding.Decoder(file.Description.Alphabet, parsed.GetValue(TranscribeCommand.Threads)));
        var transcriber = new Transcriber(recognizer, file.Description, OptionsOf(parsed, [.. texts.SelectMany(recording => recording.Formats).Distinct()], texts.Length));
        int? rate = parsed.GetValue(TranscribeCommand.Rate);
        var by = new TranscribedBy(file.Path, decoding.Path);
        if (!toStdout)
            return Math.Max(code, new TextFiles(texts, by).Write(transcriber, rate, interruption.Token));
        interruption.Doing = "stopping; of this recording nothing is written";
        WriteToStdout(transcriber, texts[0], rate, by, interruption.Token);
        return code;
    }

    private static TranscriptFormat[] FormatsOf(ParseResult parsed) =>
        [.. (parsed.GetValue(TranscribeCommand.Formats) is { Length: > 0 } named ? named : ["txt"]).SelectMany(name => name.Split(',')).Select(TranscriptFormat.Parse).Distinct()];

    /// <summary>Refuses options that would do nothing.</summary>
    private static void RequireUse(ParseResult parsed, string[] arguments, TranscriptFormat[] formats)
    {
        if (parsed.GetValue(TranscribeCommand.Rate) is not null && !arguments.Contains(RecordingList.StandardInput))
            throw new InputException("--rate is that of raw PCM on standard input: name it with -");
        if (formats.Any(format => format.Name == "json"))
            return;
        foreach (Option option in new Option[] { TranscribeCommand.Words, TranscribeCommand.Alternatives })
        {
            if (TranscribeCommand.IsGiven(parsed, option))
                throw new InputException($"{option.Name} is about json: ask for that with --format, or leave {option.Name} out");
        }
    }

    /// <summary>Recordings that differ in what ctm has a <c>_</c> for would be one to sclite.</summary>
    private static void RequireCtmNames(IReadOnlyList<ListedRecording> recordings)
    {
        if (recordings.GroupBy(recording => CtmWriter.FileOf(recording.Path, recording.Name)).FirstOrDefault(group => group.Count() > 1) is { } same)
            throw new InputException($"{same.First().Path}, {same.Last().Path}: both would be {same.Key} in ctm: rename one");
    }

    /// <summary>Refuses texts that would replace what is read: a recording may be called <c>a.txt</c>, and hot words lie beside the recording that they are of.</summary>
    private static void RequireApart(ParseResult parsed, IReadOnlyList<ListedRecording> recordings, TranscriptFormat[] formats)
    {
        string checkpoint = parsed.GetRequiredValue(TranscribeCommand.Checkpoint);
        IEnumerable<string?> named = [checkpoint, .. TranscribeCommand.Decoding.FilesOf(parsed, checkpoint), .. recordings.Select(recording => recording.Path)];
        HashSet<string> read = [.. named.OfType<string>().Where(path => path != RecordingList.StandardInput).Select(FileIdentity.Of)];
        foreach (ListedRecording recording in recordings)
        {
            if (formats.Select(recording.TextOf).FirstOrDefault(text => read.Contains(FileIdentity.Of(text))) is { } same)
                throw new InputException($"{same}: is read, and the text of {recording.Path} would replace it: rename it, or name another folder for the texts with --out");
        }
    }

    private static TranscriberOptions OptionsOf(ParseResult parsed, TranscriptFormat[] formats, int recordings)
    {
        bool json = formats.Any(format => format.Name == "json");
        int cores = Math.Max(1, Environment.ProcessorCount - 1), jobs = parsed.GetValue(TranscribeCommand.Jobs), alternatives = parsed.GetValue(TranscribeCommand.Alternatives);
        return new TranscriberOptions
        {
            Words = formats.Any(format => format.Name is not "txt"),
            Confidence = json && parsed.GetValue(TranscribeCommand.Words) || formats.Any(format => format.Name == "ctm"),
            KeepsWords = parsed.GetValue(TranscribeCommand.Words) || formats.Any(format => format.Name is not ("txt" or "json")),
            Alternatives = json && alternatives > 1 ? alternatives : 0,
            Readers = Math.Min(recordings, jobs > 0 ? jobs : cores),
            BatchSeconds = parsed.GetValue(TranscribeCommand.BatchSeconds),
        };
    }

    private static void WriteToStdout(Transcriber transcriber, RecordingTexts texts, int? rate, TranscribedBy by, CancellationToken cancellation)
    {
        TranscriptionProgress? progress = Console.IsErrorRedirected ? null : new TranscriptionProgress([texts.Recording], Console.Error, inPlace: true);
        try
        {
            foreach (TranscriptionOutcome outcome in transcriber.Run([texts.Source(rate)], (_, seconds) => progress?.Hear(seconds), cancellation))
            {
                progress?.Clear();
                texts.Formats[0].Writer(by, texts.Recording.Name).Write(outcome.Transcription ?? throw outcome.Fault!, Console.Out);
            }
        }
        finally
        {
            progress?.Clear();
        }
    }
}
