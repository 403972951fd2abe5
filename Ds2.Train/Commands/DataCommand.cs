using System.CommandLine;

namespace Ds2.Train.Commands;

/// <summary><c>data</c>: from an empty disk to a data set that is known to be whole, and what is in it.</summary>
internal static class DataCommand
{
    /// <summary>Where the reference has its data set.</summary>
    public const string DefaultFolder = "LibriSpeech_dataset";

    public static Command Create() => new("data", "Download, verify, merge, describe and augment data sets; make alphabets of them.")
    {
        DataDownloadCommand.Create(), DataVerifyCommand.Create(), DataMergeCommand.Create(), DataStatsCommand.Create(),
        DataAugmentCommand.Create(), DataAlphabetCommand.Create(),
    };
}
