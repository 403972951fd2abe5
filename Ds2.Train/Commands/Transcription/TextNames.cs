using Ds2.Runtime;

namespace Ds2.Train.Commands.Transcription;

/// <summary>What the texts of recordings are called: as they are, without the ending. Recordings whose texts would be one file keep their endings, and in a common folder, where that does not tell them apart, their folders.</summary>
/// <remarks>Names go by the recordings of the command line alone, never by the texts that are there: the same command line gives the same names.</remarks>
internal static class TextNames
{
    /// <summary>Names recordings.</summary>
    /// <param name="found">Their paths, and the folders that their names are relative to.</param>
    /// <param name="folder">Where the texts go; null for beside each recording.</param>
    /// <exception cref="InputException">Two cannot be told apart, such as <c>x.wav</c> and <c>X.wav</c>, which on some file systems are one.</exception>
    public static IReadOnlyList<ListedRecording> Of(IReadOnlyList<(string Path, string Root)> found, string? folder)
    {
        var common = new Lazy<string>(() => CommonFolder(found));
        string[] relative = [.. found.Select(item => IsInput(item.Path) ? "stdin" : Path.GetRelativePath(item.Root, item.Path))];
        string Whole(int i) => IsInput(found[i].Path) ? relative[i] : Path.GetRelativePath(common.Value, Path.GetFullPath(found[i].Path));
        string Beside(int i) => IsInput(found[i].Path) ? relative[i] : found[i].Path;
        string[] names = Distinct(found, name => name, i => WithoutEnding(relative[i]), i => relative[i], i => WithoutEnding(Whole(i)), Whole);
        string[] targets = folder is null ? Distinct(found, Path.GetFullPath, i => WithoutEnding(Beside(i)), Beside) : [.. names.Select(name => Path.Combine(folder, name))];
        return [.. found.Select((item, i) => new ListedRecording(item.Path, names[i], targets[i]))];
    }

    /// <summary>For each the first candidate that it shares with none of those that are still without a name, and that none has yet.</summary>
    private static string[] Distinct(IReadOnlyList<(string Path, string Root)> found, Func<string, string> identity, params Func<int, string>[] candidates)
    {
        var names = new string?[found.Count];
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (Func<int, string> candidate in candidates)
        {
            foreach (IGrouping<string, int> group in Enumerable.Range(0, found.Count).Where(i => names[i] is null)
                .GroupBy(i => identity(candidate(i)), StringComparer.OrdinalIgnoreCase).Where(group => group.Count() == 1).ToArray())
            {
                if (taken.Add(group.Key))
                    names[group.Single()] = candidate(group.Single());
            }
        }
        return [.. found.Select((item, i) => names[i] ?? throw new InputException($"{item.Path}: its texts would be written over those of another recording: rename it, or go without the other"))];
    }

    private static bool IsInput(string path) => path == RecordingList.StandardInput;

    private static string WithoutEnding(string path) => Path.ChangeExtension(path, null);

    private static string CommonFolder(IReadOnlyList<(string Path, string Root)> found)
    {
        string[][] folders = [.. found.Where(item => !IsInput(item.Path)).Select(item => Path.GetDirectoryName(Path.GetFullPath(item.Path))!.Split(Path.DirectorySeparatorChar))];
        int common = 0;
        while (common < folders.Min(folder => folder.Length) && folders.All(folder => folder[common] == folders[0][common]))
            common++;
        return common <= 1 ? Path.DirectorySeparatorChar.ToString() : string.Join(Path.DirectorySeparatorChar, folders[0][..common]);
    }
}
