using Ds2.Runtime.Files;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Data;

/// <summary>Reads a manifest's transcripts for what they are written with; the recordings are not looked at.</summary>
public static class TranscriptSurvey
{
    /// <summary>Counts the characters of all transcripts.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="survey">Gets them.</param>
    /// <param name="progress">Told how it goes on.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>The number of transcripts.</returns>
    /// <exception cref="InputException">The manifest or a transcript is missing or unreadable.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static int Add(string manifest, AlphabetSurvey survey, IWorkProgress progress, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(survey);
        ArgumentNullException.ThrowIfNull(progress);
        IReadOnlyList<ManifestEntry> entries = ManifestFile.Read(manifest);
        using IWorkItem work = progress.Begin($"reading {Path.GetFileName(manifest)}", entries.Count, WorkUnit.Items);
        foreach (ManifestEntry entry in entries)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!File.Exists(entry.TextPath))
                throw ManifestFile.NoSuchText(entry.TextPath, manifest, entry.Line);
            survey.Add(InputFile.ReadText(entry.TextPath), entry.TextPath);
            work.Advance(1);
        }

        return entries.Count;
    }
}
