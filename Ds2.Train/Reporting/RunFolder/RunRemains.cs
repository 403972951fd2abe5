using Ds2.Train.Reporting.Metrics;
using Ds2.Train.Reporting.MlPerf;
using Ds2.Train.Reporting.Report;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>What a folder without a checkpoint has that a new run would replace: of a run whose checkpoints were deleted, or of the user's own.</summary>
internal static class RunRemains
{
    private static readonly string[] Files =
    [
        MetricsLog.FileName, HtmlReport.FileName, MlPerfLog.FileName, RunFolderReporter.Options, RunStarts.FileName, RunFolderReporter.Transcripts, RunFolderReporter.LeftOut, TranscriptModel.FileName,
        .. ErrorFiles.Names.Select(name => Path.Combine(ErrorFiles.FolderName, name)),
    ];

    /// <summary>The first such file; null where there is none, or where all there is is of a run that ended before its first epoch and may begin again.</summary>
    /// <param name="folder">It need not exist.</param>
    public static string? Find(string folder)
    {
        string metrics = Path.Combine(folder, MetricsLog.FileName);
        return File.Exists(metrics) && !MetricsLog.HasEpoch(metrics) ? null
            : Files.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }
}
