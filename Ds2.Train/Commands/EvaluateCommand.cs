using System.CommandLine;
using Ds2.Kernels.Engines;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting;
using Ds2.Train.Reporting.RunFolder;
using Spectre.Console;

namespace Ds2.Train.Commands;

/// <summary><c>evaluate</c>: error rates of a checkpoint on a manifest.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var checkpoint = new Option<string>("--checkpoint") { Description = "a checkpoint of a training run", Required = true, HelpName = "FILE" };
        var manifest = new Option<string>("--manifest") { Description = "lines 'audio path,text path'", Required = true, HelpName = "FILE" };
        var transcripts = new Option<string?>("--transcripts")
        {
            Description = "write id, word error rate, reference and hypothesis of every utterance there, tab-separated",
            HelpName = "FILE",
        };
        var decoding = new DecodingArguments();
        Option<bool> strictText = StrictText.Option();
        Option<bool> skipBad = CorpusFaultReport.SkipBad();
        Option<int> batch = CommandLine.Bounded("--batch", "utterances at a time", 8, 1);
        Option<DeviceChoice> device = CommandLine.Device();
        Option<int> threads = CommandLine.Threads();
        Option<int> loaders = CommandLine.Loaders();
        Option<bool> json = CommandLine.Json();
        var command = new Command("evaluate", "Word and character error rates of a checkpoint on a manifest.")
        {
            checkpoint, manifest, transcripts, strictText, skipBad, batch, device, threads, loaders, json,
        };
        foreach (Option option in decoding.Options)
            command.Options.Add(option);
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(checkpoint), parsed.GetRequiredValue(manifest), (alphabet, cancellation) => decoding.Open(parsed, alphabet, cancellation), parsed.GetValue(transcripts), parsed.GetValue(strictText), parsed.GetValue(skipBad), parsed.GetValue(batch),
            parsed.GetValue(device), parsed.GetValue(threads), CommandLine.LoadersOf(parsed.GetValue(loaders)), parsed.GetValue(json)));
        return command;
    }

    private static int Run(
        string checkpointPath, string manifest, Func<Alphabet, CancellationToken, Decoding> openDecoding, string? transcriptsPath, bool strictText, bool skipBad, int batch, DeviceChoice device, int threads, int loaders, bool json)
    {
        using var interruption = new Interruption("stopping, without a result");
        using ModelFile file = ModelFile.Open(checkpointPath);
        using Decoding decoding = openDecoding(file.Description.Alphabet, interruption.Token);
        Corpus corpus = CorpusInput.Load(manifest, file.Description.Alphabet, skipBad, interruption.Token);
        corpus.RequireFeatures(file.Description.Options.Features);
        StrictText.Note(corpus, strictText);
        using IEngine engine = CommandLine.CreateEngine(device, threads);
        using DeepSpeech2 model = file.Load(engine);
        using var loader = new BatchLoader(corpus, file.Description.CreateExtractor(), batch, BatchOrder.Sorted, seed: 0, loaders);
        using var recognizer = new Recognizer(model, decoding.Decoder(file.Description.Alphabet));
        Action<int>? progress = json || !AnsiConsole.Profile.Capabilities.Interactive
            ? null
            : done => Console.Error.Write($"\r{done}/{corpus.Utterances.Count} utterances ");
        EvaluationResult result = new Evaluator(recognizer).Run(loader, progress, interruption.Token);
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
                Utterances = result.Transcripts.Count,
            });
        }
        else
        {
            Console.WriteLine($"{result.Transcripts.Count} utterances of {manifest} on {engine.Name}");
            Console.WriteLine($"WER {result.Rates.Wer:F2} %, mean of utterances {result.Rates.WerUtterance:F2} %, CER {result.Rates.Cer:F2} %");
        }

        // After the rates, which a path that cannot be written must not take along.
        if (transcriptsPath is not null)
            TranscriptFile.Write(transcriptsPath, result);

        return 0;
    }
}
