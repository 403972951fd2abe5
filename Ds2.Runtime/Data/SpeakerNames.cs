namespace Ds2.Runtime.Data;

/// <summary>Who speaks in recordings, as far as their names tell.</summary>
public static class SpeakerNames
{
    /// <summary>The speaker of each recording: LibriSpeech's, where all file names are of its form speaker-chapter-number; else null.</summary>
    /// <param name="audioPaths">The recordings.</param>
    public static string[]? Of(IReadOnlyList<string> audioPaths)
    {
        ArgumentNullException.ThrowIfNull(audioPaths);
        var speakers = new string[audioPaths.Count];
        for (int i = 0; i < speakers.Length; i++)
        {
            string[] parts = Path.GetFileNameWithoutExtension(audioPaths[i]).Split('-');
            // Names of other corpora have three parts, too: AN4's are utterance-speaker-session.
            if (parts.Length != 3 || parts[2].Length == 0 || !parts[2].All(char.IsAsciiDigit))
                return null;
            speakers[i] = parts[0];
        }
        return speakers;
    }

    /// <summary>The speaker of each recording, or its folder where the names tell of none; folders from where their paths part, and a single one by its name.</summary>
    /// <param name="audioPaths">The recordings.</param>
    /// <param name="areFolders">Whether these are folders.</param>
    public static string[] OrFolders(IReadOnlyList<string> audioPaths, out bool areFolders)
    {
        string[]? speakers = Of(audioPaths);
        areFolders = speakers is null;
        return speakers ?? FoldersOf(audioPaths);
    }

    private static string[] FoldersOf(IReadOnlyList<string> audioPaths)
    {
        string[] folders = [.. audioPaths.Select(path => Path.GetDirectoryName(path) ?? "")];
        if (folders.Length == 0)
            return [];
        string common = folders[0];
        foreach (string folder in folders)
        {
            while (common.Length > 0 && !IsWithin(folder, common))
                common = Path.GetDirectoryName(common) ?? "";
        }
        string name = Path.GetFileName(common) is { Length: > 0 } last ? last : common;
        var names = new Dictionary<string, string>();
        foreach (string folder in folders.Distinct())
            names[folder] = folder == common ? name : common.Length == 0 ? folder : Path.GetRelativePath(common, folder);
        return [.. folders.Select(folder => names[folder])];
    }

    private static bool IsWithin(string folder, string ancestor) =>
        folder == ancestor || folder.StartsWith(Path.EndsInDirectorySeparator(ancestor) ? ancestor : ancestor + Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
