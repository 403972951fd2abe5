using System.CommandLine;
using System.Globalization;
using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Files;
using Ds2.Runtime.Text;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>data stats</c>: what a data set holds.</summary>
internal static class DataStatsCommand
{
    private const int Bins = 20, Bar = 50;
    private static readonly string[] Sets = ["train", "val", "test"];

    public static Command Create()
    {
        var manifests = new Argument<string[]>("MANIFEST")
        {
            Description = $"manifests, or the folder of a data set (default: {DataCommand.DefaultFolder})",
            DefaultValueFactory = _ => [DataCommand.DefaultFolder],
        };
        var plot = new Option<string?>("--plot") { Description = "draw the lengths as an SVG file, too", HelpName = "FILE" };
        plot.Validators.Add(result =>
        {
            if (!result.GetValueOrDefault<string>()!.EndsWith(".svg", StringComparison.OrdinalIgnoreCase))
                result.AddError("--plot: the file's name must end in .svg");
        });
        var alphabet = new Option<string?>("--alphabet") { Description = "count what is outside of this alphabet, in place of the English one", HelpName = "FILE" };
        Option<bool> skipBad = CorpusFaultReport.SkipBad();
        var command = new Command("stats", "Hours, utterances, speakers, lengths, and characters outside the alphabet.") { manifests, plot, alphabet, skipBad };
        command.SetAction(parsed => Run(parsed.GetValue(manifests)!, parsed.GetValue(plot), parsed.GetValue(alphabet), parsed.GetValue(skipBad)));
        return command;
    }

    private static int Run(string[] names, string? plot, string? alphabetPath, bool skipBad)
    {
        string[] files = [.. names.SelectMany(Manifests)];
        if (plot is not null)
        {
            CommandLine.RequireApart("--plot", plot, alphabetPath);
            CommandLine.RequireApartFromData("--plot", plot, files);
        }
        using var interruption = new Interruption("stopping");
        Alphabet alphabet = alphabetPath is null ? Alphabet.English : AlphabetFile.Read(alphabetPath);
        CorpusStatistics[] all = [.. files.Select(manifest => CorpusStatistics.Of(CorpusInput.Load(manifest, alphabet, skipBad, interruption.Token, allowRepeated: true)))];
        foreach (CorpusStatistics statistics in all)
            Write(statistics);
        if (plot is not null)
        {
            AtomicFile.Write(plot, stream => stream.Write(Encoding.UTF8.GetBytes(LengthPlot.Svg(all, Bins))));
            Console.WriteLine(plot);
        }
        return 0;
    }

    private static IEnumerable<string> Manifests(string name)
    {
        if (!Directory.Exists(name))
            return [name];
        string[] found = [.. Sets.Select(set => Path.Combine(name, $"libri_{set}_manifest.csv")).Where(File.Exists)];
        return found.Length > 0 ? found : throw new InputException($"{name}: has no libri_*_manifest.csv");
    }

    private static void Write(CorpusStatistics statistics)
    {
        IReadOnlyList<double> seconds = statistics.Seconds;
        Console.WriteLine(statistics.Manifest);
        Row("utterances", $"{seconds.Count}");
        Row("hours", $"{statistics.Hours:F2}");
        Row("speakers", statistics.Speakers is { } speakers ? $"{speakers}" : "unknown: the files' names tell of none");
        Row("words", $"{statistics.Words}");
        Row("seconds", $"{seconds[0]:F2} shortest, {seconds[seconds.Count / 2]:F2} median, {statistics.Hours * 3600 / seconds.Count:F2} mean, {seconds[^1]:F2} longest");
        (double width, int[] counts) = statistics.Histogram(Bins);
        for (int i = 0; i < counts.Length; i++)
        {
            string bar = new('#', (int)Math.Ceiling((double)Bar * counts[i] / counts.Max()));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {i * width,6:0.##} s {counts[i],7} {bar}").TrimEnd());
        }
        TextReport characters = statistics.Characters;
        Row("not in alphabet", characters.ForeignCharacters.Count == 0 ? "nothing" : "cannot be heard; left out of the labels, errors when scored:");
        foreach (CharacterCount foreign in characters.ForeignCharacters)
            Write(foreign);
        Row("read as others", characters.MappedCharacters.Count == 0 ? "nothing" : "which the model can write:");
        foreach (CharacterCount mapped in characters.MappedCharacters)
            Write(mapped);
    }

    private static void Write(CharacterCount count)
    {
        string image = count.Image switch
        {
            null => "",
            "" => " as nothing",
            " " => " as a space",
            var letters => $" as {letters}",
        };
        Console.WriteLine($"    {$"U+{count.Character.Value:X4}",-7} {(count.IsVisible ? count.Character.ToString() : " ")}{image} {count.Count,7} times, first in {count.FirstFile} (line {count.FirstLine})");
    }

    private static void Row(string name, FormattableString value) => Row(name, value.ToString(CultureInfo.InvariantCulture));

    private static void Row(string name, string value) => Console.WriteLine($"  {name,-16} {value}");
}
