using System.CommandLine;
using Ds2.Runtime.Data.LibriSpeech.Dataset;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary><c>data verify</c>: whether a data set is, byte for byte, what was prepared.</summary>
internal static class DataVerifyCommand
{
    private const int Different = 1;

    public static Command Create()
    {
        var folder = new Argument<string>("DIR") { Description = "the data set", DefaultValueFactory = _ => DataCommand.DefaultFolder };
        var command = new Command("verify", "Compares every file of a data set with its checksums.sha256.") { folder };
        command.SetAction(parsed => Run(parsed.GetValue(folder)!));
        return command;
    }

    private static int Run(string folder)
    {
        using var interruption = new Interruption("stopping");
        IReadOnlyList<DatasetFault> faults = WorkReport.Run(progress => DatasetVerifier.Verify(folder, progress, interruption.Token));
        foreach (DatasetFault fault in faults)
            Console.WriteLine($"{fault.Kind.ToString().ToLowerInvariant(),-8} {Path.Combine(folder, fault.Path)}");
        if (faults.Count == 0)
        {
            Console.WriteLine("Dataset Checksum Passed.");
            return 0;
        }

        string counts = string.Join(", ", faults.CountBy(fault => fault.Kind).OrderBy(count => count.Key).Select(count => $"{count.Value} {count.Key.ToString().ToLowerInvariant()}"));
        Console.Error.WriteLine($"ds2: {folder}: {counts}; remove what is changed or extra, and download_dataset.sh restores what is missing");
        return Different;
    }
}
