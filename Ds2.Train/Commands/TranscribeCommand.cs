using System.CommandLine;
using Ds2.Kernels.Engines;
using Ds2.Runtime.Audio;
using Ds2.Train.Commands.Transcription;
using Ds2.Train.Transcripts;

namespace Ds2.Train.Commands;

/// <summary><c>transcribe</c>: recordings written down.</summary>
internal static class TranscribeCommand
{
    private const int DefaultAlternatives = 1;

    internal static readonly Argument<string[]> Inputs = new("recordings")
    {
        Description = "files, folders (with all that is below them), globs in quotes (\"talks/**/*.mp4\"), or - for standard input",
        Arity = ArgumentArity.OneOrMore,
    };

    internal static readonly Option<string> Checkpoint = new("--checkpoint") { Description = "a model, or a checkpoint of a training run", Required = true, HelpName = "FILE" };

    internal static readonly Option<string[]> Formats = new("--format")
    {
        Description = $"{TranscriptFormat.Names}; several with commas between, or the option several times (default: txt)",
        HelpName = "FORMAT",
    };

    internal static readonly Option<string?> Out = new("--out") { Description = "folder for the texts (default: beside each recording; of a single one, stdout); folders below a folder that is given are kept", HelpName = "DIR" };
    internal static readonly Option<bool> Words = new("--words") { Description = "with --format json: each word with its start, end and confidence" };
    internal static readonly Option<int> Alternatives = CommandLine.Bounded("--nbest", "with --format json: so many texts of each segment, the best first, by beam search", DefaultAlternatives, 1);
    internal static readonly Option<bool> Overwrite = new("--overwrite") { Description = "write text files anew that are there already" };
    internal static readonly Option<int?> Rate = RateOption();
    internal static readonly Option<bool> Live = new("--live")
    {
        Description = "write sound down while it comes through standard input (-): the current line is rewritten on a terminal, else a JSON object a line; for unidirectional models with normalization=corpus",
    };

    internal static readonly Option<int> Jobs = CommandLine.Bounded("--jobs", "recordings read at once; 0 for one per core but one", 0, 0, CommandLine.MostThreads);
    internal static readonly Option<int> BatchSeconds = CommandLine.Bounded("--batch-seconds", "sound in a batch, in seconds: memory is by this, not by the recordings' lengths", 60, 1, 36000);
    internal static readonly Option<DeviceChoice> Device = CommandLine.Device();
    internal static readonly Option<int> Threads = CommandLine.Threads();
    internal static readonly Option<string?> Precision = CommandLine.Precision();
    internal static readonly DecodingArguments Decoding = new();

    public static Command Create()
    {
        var command = new Command("transcribe", "Writes recordings down: one to stdout, several to files.")
        {
            Inputs, Checkpoint, Formats, Out, Words, Alternatives, Overwrite, Rate, Live, Jobs, BatchSeconds, Device, Threads, Precision,
        };
        foreach (Option option in Decoding.Options)
            command.Options.Add(option);
        command.SetAction(parsed => parsed.GetValue(Live) ? LiveTranscription.Run(parsed) : FileTranscription.Run(parsed));
        return command;
    }

    /// <summary>Whether the user wrote an option, rather than that it has its default.</summary>
    internal static bool IsGiven(ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    private static Option<int?> RateOption()
    {
        Option<int?> rate = CommandLine.Whole("--rate", "standard input is raw PCM, 16 bits, one channel, of so many samples a second (else WAV)", "HZ");
        rate.Validators.Add(result =>
        {
            if (result.Tokens is [.., var last] && int.TryParse(last.Value, out int given) && given is < AudioFile.LeastRate or > AudioFile.MostRate)
                result.AddError($"--rate must be from {AudioFile.LeastRate} to {AudioFile.MostRate}");
        });
        return rate;
    }
}
