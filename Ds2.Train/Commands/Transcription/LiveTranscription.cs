using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Files;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition.Streaming;
using Ds2.Train.Live;

namespace Ds2.Train.Commands.Transcription;

/// <summary><c>transcribe --live</c>: sound written down while it comes.</summary>
internal static class LiveTranscription
{
    private const int Interrupted = 130;

    /// <summary>What it has no use for: it writes lines with their words, of one input, as they come.</summary>
    private static readonly Option[] Meaningless =
    [
        TranscribeCommand.Formats, TranscribeCommand.Out, TranscribeCommand.Words, TranscribeCommand.Alternatives, TranscribeCommand.Overwrite, TranscribeCommand.Jobs, TranscribeCommand.BatchSeconds,
    ];

    /// <summary>Runs to the end of standard input, or until it is interrupted.</summary>
    /// <exception cref="InputException">The options contradict each other, or a file or the sound cannot be read.</exception>
    public static int Run(ParseResult parsed)
    {
        if (parsed.GetRequiredValue(TranscribeCommand.Inputs).Distinct().ToArray() is not [RecordingList.StandardInput])
            throw new InputException("--live: sound comes through standard input: name - and nothing else, as in: arecord -f S16_LE -r 16000 -t raw | … transcribe --live --rate 16000 -");
        if (Meaningless.FirstOrDefault(option => TranscribeCommand.IsGiven(parsed, option)) is { } meaningless)
            throw new InputException($"--live writes lines as they come, with their words, to stdout: leave out {meaningless.Name}");
        using var interruption = new Interruption("stopping; what was heard is written to its end");
        using ModelFile file = ModelFile.Open(parsed.GetRequiredValue(TranscribeCommand.Checkpoint));
        using Decoding decoding = TranscribeCommand.Decoding.Open(parsed, file.Description.Alphabet, interruption.Token, file.Path);
        using IEngine engine = CommandLine.CreateEngine(parsed.GetValue(TranscribeCommand.Device), parsed.GetValue(TranscribeCommand.Threads));
        using DeepSpeech2 model = file.Load(engine, precision: CommandLine.PrecisionOf(parsed.GetValue(TranscribeCommand.Precision)));
        using var streaming = new StreamingModel(model, file.Description, decoders: () => decoding.Passage(file.Description.Alphabet));
        bool terminal = !Console.IsOutputRedirected;
        var options = new LiveOptions { Rate = parsed.GetValue(TranscribeCommand.Rate), RewritesLine = terminal, LineWidth = terminal ? Math.Max(20, Console.WindowWidth) : 80 };
        using Stream input = StandardInput.Open(RecordingList.StandardInput);
        new LiveLoop(streaming, options, Console.Out, Console.Error).Run(input, interruption.Token);
        return interruption.Token.IsCancellationRequested ? Interrupted : 0;
    }
}
