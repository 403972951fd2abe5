using System.CommandLine;
using Ds2.Runtime;
using Ds2.Runtime.Features;

namespace Ds2.Train.Commands;

/// <summary><c>features</c>: what the model hears of one file, as NumPy reads it.</summary>
internal static class FeaturesCommand
{
    public static Command Create()
    {
        var input = new Option<string>("--in") { Description = "a WAV or FLAC file, or MFCCs as .npy or Sphinx .mfc", Required = true, HelpName = "FILE" };
        var kind = new Option<string>("--kind")
        {
            Description = "mfcc (13 MFCCs rendered as 161 rows), mfcc-raw (the 13 MFCCs), spectrogram (161 rows), fbank40 or fbank80 (mel filters' levels)",
            DefaultValueFactory = _ => "mfcc",
            HelpName = "mfcc|mfcc-raw|spectrogram|fbank40|fbank80",
        };
        kind.AcceptOnlyFromAmong([.. Enum.GetValues<FeatureKind>().Select(known => known.Name())]);
        var output = new Option<string>("--out") { Description = "a .npy file: float32 [rows, frames]", Required = true, HelpName = "FILE" };
        var raw = new Option<bool>("--raw") { Description = "without the normalisation to mean 0 and deviation 1" };
        var command = new Command("features", "Writes the features of one file to a NumPy file.") { input, kind, output, raw };
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(input), parsed.GetRequiredValue(kind), parsed.GetRequiredValue(output), parsed.GetValue(raw)));
        return command;
    }

    private static int Run(string input, string kind, string output, bool raw)
    {
        FeatureKind[] named = [.. Enum.GetValues<FeatureKind>().Where(known => known.Name() == kind)];
        if (named is not [var parsed])
            throw new InputException($"--kind: '{kind}' is unknown; there are {string.Join(", ", Enum.GetValues<FeatureKind>().Select(known => known.Name()))}");
        CommandLine.RequireApart("--out", output, input);
        var extractor = new FeatureExtractor(parsed);
        FeatureMatrix features = extractor.FromFile(input);
        if (!raw)
            features = extractor.Normalize(features);
        NpyFile.Write(output, features.Values, features.Rows, features.Frames);
        Console.WriteLine($"{output}: float32 [{features.Rows}, {features.Frames}]");
        return 0;
    }
}
