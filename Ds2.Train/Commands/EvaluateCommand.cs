using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Model;
using Ds2.Train.Reporting;
using Ds2.Train.Reporting.RunFolder;
using Spectre.Console;

namespace Ds2.Train.Commands;

/// <summary><c>evaluate</c>: error rates of a checkpoint on a manifest.</summary>
internal static class EvaluateCommand
{
    private const int MostSpeakers = 20;

    public static Command Create()
    {
        var recognition = new CorpusRecognition("lines 'audio path,text path'");
        var transcripts = new Option<string?>("--transcripts")
        {
            Description = "write id, word error rate, reference and hypothesis of every utterance there, tab-separated",
            HelpName = "FILE",
        };
        var errors = new Option<string?>("--errors")
        {
            Description = "write where the errors are into that folder, tab-separated: rates by speaker or folder, the worst utterances, the commonest confusions of words and of letters",
            HelpName = "DIR",
        };
        var decoding = new DecodingArguments();
        Option<bool> json = CommandLine.Json();
        var command = new Command("evaluate", "Word and character error rates of a checkpoint on a manifest.");
        foreach (Option option in (Option[])[.. recognition.Required, transcripts, errors, .. recognition.Others, json, .. decoding.Options])
            command.Options.Add(option);
        command.SetAction(parsed => Run(parsed, recognition, decoding, parsed.GetValue(transcripts), parsed.GetValue(errors), parsed.GetValue(json)));
        return command;
    }

    private static int Run(ParseResult parsed, CorpusRecognition recognition, DecodingArguments arguments, string? transcriptsPath, string? errorsFolder, bool json)
    {
        if (transcriptsPath is not null)
            RequireApart("--transcripts", transcriptsPath);
        if (File.Exists(errorsFolder))
            throw new InputException($"--errors {errorsFolder}: is a file: name a folder");
        foreach (string written in errorsFolder is null ? [] : ErrorFiles.Names)
            RequireApart("--errors", Path.Combine(errorsFolder!, written));

        using var interruption = new Interruption("stopping, without a result");
        using ModelFile file = recognition.Open(parsed);
        using Decoding decoding = arguments.Open(parsed, file.Description.Alphabet, interruption.Token, file.Path);
        Corpus corpus = recognition.Load(parsed, file, interruption.Token);
        Action<int>? progress = json || !AnsiConsole.Profile.Capabilities.Interactive
            ? null
            : done => Console.Error.Write($"\r{done}/{corpus.Utterances.Count} utterances ");
        (EvaluationResult result, string engine) = recognition.Run(
            parsed, file, corpus, decoding.Decoder(file.Description.Alphabet, recognition.ThreadsOf(parsed)), decoding.IsBeam ? new GreedyDecoder(file.Description.Alphabet) : null, progress, interruption.Token);
        ErrorRates greedy = result.OtherRates ?? result.Rates;
        if (progress is not null)
            Console.Error.WriteLine();
        if (json)
        {
            JsonLines.Write(new
            {
                Event = "result",
                result.Rates.Wer,
                result.Rates.WerUtterance,
                result.Rates.Cer,
                GreedyWer = greedy.Wer,
                GreedyCer = greedy.Cer,
                LanguageModel = decoding.Path,
                Loss = result.Loss.PerUtterance,
                LossPerLabel = result.Loss.PerLabel,
                result.Loss.Infeasible,
                Utterances = result.Transcripts.Count,
            });
        }
        else
        {
            Console.WriteLine($"{result.Transcripts.Count} utterances of {recognition.ManifestOf(parsed)} on {engine}");
            Console.WriteLine(Text(result.Rates));
            if (decoding.IsBeam)
                Console.WriteLine($"by a search{(decoding.Path is { } model ? $" with {model}" : "")}; greedily {Text(greedy)}");
            if (result.Loss is { PerUtterance: { } utterance, PerLabel: { } label })
                Console.WriteLine($"loss {utterance:F3} nats an utterance, {label:F3} a label");
            if (result.Loss.Infeasible > 0)
                Console.WriteLine($"{result.Loss.Infeasible} utterances have no loss: their text has more labels than they have output frames");
            WriteSpeakers(result.Details);
        }

        // After the rates, which a path that cannot be written must not take along.
        if (transcriptsPath is not null)
            TranscriptFile.Write(transcriptsPath, result);
        if (errorsFolder is not null)
            ErrorFiles.Write(errorsFolder, result.Details);

        return 0;

        void RequireApart(string option, string output)
        {
            CommandLine.RequireApart(option, output, [recognition.CheckpointOf(parsed), .. arguments.FilesOf(parsed, recognition.CheckpointOf(parsed))]);
            CommandLine.RequireApartFromData(option, output, recognition.ManifestOf(parsed));
        }
    }

    private static string Text(ErrorRates rates) => $"WER {rates.Wer:F2} %, mean of utterances {rates.WerUtterance:F2} %, CER {rates.Cer:F2} %";

    /// <summary>A few speakers are worth a line each; of many, and where there is but one, the files have all.</summary>
    private static void WriteSpeakers(ErrorDetails details)
    {
        if (details.BySpeaker.Count is < 2 or > MostSpeakers)
            return;
        foreach (SpeakerErrors speaker in details.BySpeaker)
            Console.WriteLine($"  {(details.AreFolders ? "folder" : "speaker")} {speaker.Name}: WER {speaker.Rates.Wer:F2} %, CER {speaker.Rates.Cer:F2} %, {speaker.Rates.Utterances} utterances");
    }
}
