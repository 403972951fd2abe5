using System.Globalization;

namespace Ds2.Runtime.Training;

/// <summary>Where a run keeps its checkpoints and how often.</summary>
/// <param name="Folder">The folder: <c>latest.safetensors</c> and <c>best.safetensors</c> are written there.</param>
/// <param name="Interval">The least time between two checkpoints within an epoch; the end of an epoch always writes one.</param>
/// <param name="Batches">A checkpoint after every so many steps of an epoch, too; null for none.</param>
/// <param name="Keep">The last epochs whose checkpoints stay as <c>epoch-0001.safetensors</c>, …; 0 for none.</param>
public sealed record CheckpointPolicy(string Folder, TimeSpan Interval, int? Batches = null, int Keep = 0)
{
    private const string EpochPrefix = "epoch-";
    private const string Suffix = ".safetensors";
    private const string Abandoned = "-abandoned";

    /// <summary>The last state of the run.</summary>
    public string Latest => Path.Combine(Folder, "latest" + Suffix);

    /// <summary>The state after the epoch with the lowest word error rate.</summary>
    public string Best => Path.Combine(Folder, "best" + Suffix);

    /// <summary>The state after an epoch.</summary>
    /// <param name="epochs">Epochs that are done.</param>
    public string AfterEpoch(int epochs) => Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"{EpochPrefix}{epochs:D4}{Suffix}"));

    /// <summary>The latest checkpoint; where that is gone, the newest of the others, but for those set aside; null where there is none.</summary>
    public string? Newest() => File.Exists(Latest) ? Latest : OfEpochs().Select(kept => kept.Path).Append(Best).Where(File.Exists).MaxBy(File.GetLastWriteTimeUtc);

    /// <summary>Whether a checkpoint within an epoch is due.</summary>
    /// <param name="sinceLast">Time since the last one.</param>
    /// <param name="batch">Steps of the epoch that are done.</param>
    public bool IsDue(TimeSpan sinceLast, int batch) => sinceLast >= Interval || Batches is { } every && batch % every == 0;

    /// <summary>Deletes the epochs' checkpoints but the last <see cref="Keep"/>.</summary>
    /// <param name="epochs">Epochs that are done.</param>
    public void RemoveOld(int epochs)
    {
        foreach ((string path, int _) in OfEpochs().Where(kept => kept.Epochs <= epochs - Keep))
            File.Delete(path);
    }

    /// <summary>Renames the checkpoints of the epochs that a run does not go on from, to <c>epoch-0004-abandoned.safetensors</c>, …: they would stand among those of its own epochs,
    /// who went on from one would be back on the line that was left, and <see cref="RemoveOld"/> would take them for its own. They are not deleted: it may have been the better one.</summary>
    /// <param name="epochs">Epochs that are done where the run goes on.</param>
    /// <param name="isOther">Whether a checkpoint of so many epochs or fewer is of another line: a run that goes on from what was set aside finds those of the line that it leaves.</param>
    /// <param name="note">Told of it, in a line.</param>
    public void SetAbandonedAside(int epochs, Predicate<string> isOther, Action<string> note)
    {
        ArgumentNullException.ThrowIfNull(isOther);
        ArgumentNullException.ThrowIfNull(note);
        string[] left = [.. OfEpochs().Where(kept => kept.Epochs > epochs || isOther(kept.Path)).OrderBy(kept => kept.Epochs).Select(kept => kept.Path)];
        if (left.Length > 0)
            note($"{Folder}: holds checkpoints of epochs that this run does not go on from: {string.Join(", ", left.Select(path => $"{Path.GetFileName(path)} is {Path.GetFileName(SetAside(path))} now"))}");
    }

    /// <summary>Renames a checkpoint of a line that is left, to <c>best-abandoned.safetensors</c>; where an earlier line's is called so, to <c>best-abandoned-2.safetensors</c>, ….</summary>
    /// <param name="path">The checkpoint.</param>
    /// <returns>Where it is now.</returns>
    public static string SetAside(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        for (int number = 1; ; number++)
        {
            string aside = string.Create(CultureInfo.InvariantCulture, $"{path[..^Suffix.Length]}{Abandoned}{(number == 1 ? "" : $"-{number}")}{Suffix}");
            if (Path.Exists(aside))
                continue;
            File.Move(path, aside);
            return aside;
        }
    }

    /// <summary>The epochs' checkpoints in the folder, in no order; those set aside have no number alone for a name.</summary>
    private (string Path, int Epochs)[] OfEpochs()
    {
        if (!Directory.Exists(Folder))
            return [];
        var found = new List<(string, int)>();
        foreach (string path in Directory.EnumerateFiles(Folder, EpochPrefix + "*" + Suffix))
        {
            string number = Path.GetFileNameWithoutExtension(path)[EpochPrefix.Length..];
            if (int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int epochs))
                found.Add((path, epochs));
        }

        return [.. found];
    }
}
