namespace Ds2.Runtime.Data;

/// <summary>Who speaks in recordings, as far as their names tell.</summary>
public static class SpeakerNames
{
    /// <summary>The speaker of each recording, where all file names are of one form: LibriSpeech's speaker-chapter-number, or a number beside a name that comes again (00017-anna, anna_17); else null.</summary>
    /// <param name="audioPaths">The recordings.</param>
    public static string[]? Of(IReadOnlyList<string> audioPaths)
    {
        ArgumentNullException.ThrowIfNull(audioPaths);
        return LibriSpeechs(audioPaths) ?? Numbered(audioPaths, numberFirst: true) ?? Numbered(audioPaths, numberFirst: false);
    }

    /// <summary>Names that stand once, or one alone, are of something else.</summary>
    private static string[]? Numbered(IReadOnlyList<string> audioPaths, bool numberFirst)
    {
        var speakers = new string[audioPaths.Count];
        for (int i = 0; i < speakers.Length; i++)
        {
            string name = Path.GetFileNameWithoutExtension(audioPaths[i]);
            int cut = numberFirst ? name.AsSpan().IndexOfAny('-', '_') : name.AsSpan().LastIndexOfAny('-', '_');
            if (cut < 0)
                return null;
            (string number, speakers[i]) = numberFirst ? (name[..cut], name[(cut + 1)..]) : (name[(cut + 1)..], name[..cut]);
            if (!IsNumber(number) || !speakers[i].Any(char.IsLetter))
                return null;
        }

        // Numbers at both ends, as in 7_jackson_32 for what is said and how often: which is the speaker's, no name tells.
        if (speakers.All(speaker => speaker.Split('-', '_') is { Length: > 1 } parts && IsNumber(numberFirst ? parts[^1] : parts[0])))
            return null;

        int[] counts = [.. speakers.CountBy(speaker => speaker).Select(pair => pair.Value)];
        return counts.Length > 1 && counts.Min() > 1 ? speakers : null;
    }

    private static bool IsNumber(string text) => text.Length > 0 && text.All(char.IsAsciiDigit);

    private static string[]? LibriSpeechs(IReadOnlyList<string> audioPaths)
    {
        var speakers = new string[audioPaths.Count];
        for (int i = 0; i < speakers.Length; i++)
        {
            string[] parts = Path.GetFileNameWithoutExtension(audioPaths[i]).Split('-');
            // Names of other corpora have three parts, too: AN4's are utterance-speaker-session.
            if (parts.Length != 3 || !parts.All(IsNumber))
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
