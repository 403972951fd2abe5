using System.CommandLine;
using Ds2.Runtime.Data.LibriSpeech;

namespace Ds2.Train.Commands;

/// <summary><c>prepare</c>: an unpacked LibriSpeech tree to WAV files, texts and manifests.</summary>
internal static class PrepareCommand
{
    public static Command Create()
    {
        var source = new Option<string>("--source")
        {
            Description = "an unpacked LibriSpeech tree: train-*, dev-*, test-* with FLAC files and .trans.txt",
            Required = true,
            HelpName = "DIR",
        };
        var target = new Option<string>("--out")
        {
            Description = "gets {train,val,test}/{wav,txt} and libri_{train,val,test}_manifest.csv; what is there and whole is kept",
            Required = true,
            HelpName = "DIR",
        };
        var command = new Command("prepare", "WAV files, texts and manifests from an unpacked LibriSpeech tree.") { source, target };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(source), parsed.GetRequiredValue(target)));
        return command;
    }

    private static int Run(string source, string target)
    {
        using var interruption = new Interruption("stopping; run it again to go on");
        bool terminal = !Console.IsErrorRedirected;
        var clock = System.Diagnostics.Stopwatch.StartNew();
        PreparedCorpus corpus = LibriSpeechPreparer.Run(
            source, target, (done, total) => ShowProgress(terminal, done, total), interruption.Token);
        if (terminal)
            Console.Error.WriteLine();
        foreach (PreparedSplit split in corpus.Splits)
            Console.WriteLine($"{split.Name,-16} {split.Utterances,7} utterances {split.Hours,8:F2} h  ({split.Converted} converted)  {split.Manifest}");
        foreach (string manifest in corpus.Manifests)
            Console.WriteLine(manifest);
        Console.WriteLine($"{corpus.Utterances} utterances, {corpus.Hours:F2} h, in {clock.Elapsed.TotalSeconds:F1} s");
        return 0;
    }

    private static void ShowProgress(bool terminal, int done, int total)
    {
        if (terminal)
            Console.Error.Write($"\r{done}/{total} ");
    }
}
