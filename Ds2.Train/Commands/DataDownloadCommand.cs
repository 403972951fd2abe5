using System.CommandLine;
using System.Diagnostics;
using Ds2.Runtime;
using Ds2.Runtime.Data.LibriSpeech;
using Ds2.Runtime.Data.LibriSpeech.Download;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>data download</c>: LibriSpeech from its archives to WAV files, texts, manifests and checksums.</summary>
internal static class DataDownloadCommand
{
    private static readonly Option<string[]> Files = new("--files")
    {
        Description = "the archives, with commas between: train-clean-100.tar.gz,dev-clean.tar.gz (default: all)",
        HelpName = "NAMES",
    };

    private static readonly Option<string> Target = new("--target")
    {
        Description = "gets {train,val,test}/{wav,txt}, the manifests and checksums.sha256",
        DefaultValueFactory = _ => DataCommand.DefaultFolder,
        HelpName = "DIR",
    };

    private static readonly Option<string> Mirror = new("--mirror")
    {
        Description = "where the archives are served",
        DefaultValueFactory = _ => DownloadOptions.OpenSlr.AbsoluteUri,
        HelpName = "URL",
    };

    private static readonly Option<string?> Digests = new("--digests")
    {
        Description = "the archives' SHA-256 sums as sha256sum writes them, in place of those of OpenSLR's archives",
        HelpName = "FILE",
    };

    private static readonly Option<int> Timeout = CommandLine.Bounded("--timeout", "seconds that a server may be silent", 60, 1, 24 * 60 * 60);
    private static readonly Option<int> Retries = CommandLine.Bounded("--retries", "attempts after a failed one that brought nothing new", 8, 0);

    public static Command Create()
    {
        var command = new Command("download", "Fetches LibriSpeech and prepares it; run it again after any interruption.")
        {
            Files, Target, Mirror, Digests, Timeout, Retries,
        };
        Files.AllowMultipleArgumentsPerToken = true;
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        string digests = parsed.GetValue(Digests) ?? "", mirror = parsed.GetValue(Mirror)!;
        IReadOnlyList<LibriSpeechArchive> known = digests.Length > 0 ? LibriSpeechArchive.ReadDigests(digests) : LibriSpeechArchive.All;
        string[] names = [.. (parsed.GetValue(Files) ?? []).SelectMany(list => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
        if (!Uri.TryCreate(mirror, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
            throw new InputException($"--mirror: '{mirror}' is not an address that begins with http:// or https://");
        var options = new DownloadOptions(parsed.GetValue(Target)!, address, names.Length > 0 ? LibriSpeechArchive.Pick(known, names) : known)
        {
            Timeout = TimeSpan.FromSeconds(parsed.GetValue(Timeout)),
            Retries = parsed.GetValue(Retries),
        };

        using var interruption = new Interruption("stopping; run it again to go on");
        var clock = Stopwatch.StartNew();
        IReadOnlyList<PreparedSplit> added = WorkReport.Run(progress =>
            LibriSpeechDownload.RunAsync(options, progress, interruption.Token).GetAwaiter().GetResult());
        foreach (PreparedSplit split in added.OrderBy(split => split.Name, StringComparer.Ordinal))
            Console.WriteLine($"{split.Name,-16} {split.Utterances,7} utterances {split.Hours,8:F2} h  {split.Manifest}");
        Console.WriteLine(added.Count == 0
            ? $"{options.Target}: everything is there already"
            : $"{added.Sum(split => split.Utterances)} utterances, {added.Sum(split => split.Hours):F2} h, in {Durations.Text(clock.Elapsed.TotalSeconds)}");
        return 0;
    }
}
