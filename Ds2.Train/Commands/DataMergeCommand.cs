using System.CommandLine;
using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Text;

namespace Ds2.Train.Commands;

/// <summary><c>data merge</c>: one manifest from several, without what is too short or too long.</summary>
internal static class DataMergeCommand
{
    public static Command Create()
    {
        var manifests = new Argument<string[]>("MANIFEST") { Description = "the manifests", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "the new manifest, from the shortest utterance to the longest", Required = true, HelpName = "FILE" };
        Option<double?> min = CommandLine.Number("--min-seconds", "leave out what is shorter", "S"), max = CommandLine.Number("--max-seconds", "leave out what is longer", "S");
        Option<bool> skipBad = CorpusFaultReport.SkipBad();
        var command = new Command("merge", "Joins manifests and prunes them by duration.") { manifests, output, min, max, skipBad };
        command.SetAction(parsed => Run(parsed.GetValue(manifests)!, parsed.GetRequiredValue(output), parsed.GetValue(min) ?? 0, parsed.GetValue(max) ?? double.PositiveInfinity, parsed.GetValue(skipBad)));
        return command;
    }

    private static int Run(string[] manifests, string output, double min, double max, bool skipBad)
    {
        if (min > max)
            throw new InputException($"--min-seconds {min} and --max-seconds {max}: the first must not be greater");
        CommandLine.RequireApartFromData("--out", output, manifests);
        using var interruption = new Interruption("stopping, nothing is written");
        Corpus[] corpora = [.. manifests.Select(manifest => CorpusInput.Load(manifest, Alphabet.English, skipBad, interruption.Token, allowRepeated: true))];
        MergedManifest merged = MergedManifest.Write(corpora, output, min, max);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{output}: {merged.Kept} utterances, {merged.Seconds / 3600:F2} h; left out: {merged.TooShort} too short, {merged.TooLong} too long, {merged.Repeated} repeated"));
        return 0;
    }
}
