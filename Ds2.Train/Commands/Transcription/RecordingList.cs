using System.IO.Enumeration;
using Ds2.Runtime;

namespace Ds2.Train.Commands.Transcription;

/// <summary>A recording of the command line and where its texts go.</summary>
/// <param name="Path">The file as the user named it; <c>-</c> for standard input.</param>
/// <param name="Target">The name of its texts without the ending, relative to the folder that they go to.</param>
internal sealed record ListedRecording(string Path, string Target);

/// <summary>Finds the recordings that a command line means: files, folders, globs, and <c>-</c>.</summary>
internal static class RecordingList
{
    /// <summary>What <c>-</c> is called.</summary>
    public const string StandardInput = "-";

    private const string AnyFolders = "**";

    /// <summary>The endings by which a folder's recordings are known; a file that is named need have none of them.</summary>
    private static readonly HashSet<string> Endings = new(
        [
            ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".snd", ".sph", ".caf", ".w64", ".rf64", ".voc", ".mfc", ".npy",
            ".m4a", ".m4b", ".aac", ".wma", ".amr", ".3gp", ".mp4", ".mkv", ".webm", ".mov", ".avi", ".ts", ".mpg", ".mpeg", ".flv", ".wmv", ".ac3", ".wv", ".ape",
        ],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>The recordings in the order in which they are named, a folder's and a glob's by name; each once.</summary>
    /// <exception cref="InputException">A folder has no recordings, or a glob fits none.</exception>
    public static IReadOnlyList<ListedRecording> Find(IEnumerable<string> arguments)
    {
        var found = new List<(string Path, string Relative)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string argument in arguments)
        {
            foreach ((string path, string root) in Of(argument))
            {
                if (seen.Add(path == StandardInput ? path : Path.GetFullPath(path)))
                    found.Add((path, path == StandardInput ? "stdin" : Path.GetRelativePath(root, path)));
            }
        }
        return Targets(found);
    }

    private static IEnumerable<(string Path, string Root)> Of(string argument)
    {
        if (argument == StandardInput || File.Exists(argument))
            return [(argument, Path.GetDirectoryName(argument) is { Length: > 0 } folder ? folder : ".")];
        if (Directory.Exists(argument))
        {
            string[] files = [.. Directory.EnumerateFiles(argument, "*", SearchOption.AllDirectories).Where(IsRecording).Order(StringComparer.Ordinal)];
            return files.Length > 0 ? files.Select(file => (file, argument)) : throw new InputException($"{argument}: no recordings in this folder, by their names' endings");
        }
        if (argument.AsSpan().IndexOfAny('*', '?') < 0)
            return [(argument, Path.GetDirectoryName(argument) is { Length: > 0 } parent ? parent : ".")]; // named as missing when its turn comes
        string[] parts = argument.Split('/', '\\');
        int wild = Array.FindIndex(parts, part => part.AsSpan().IndexOfAny('*', '?') >= 0);
        string root = wild == 0 ? "." : wild == 1 && parts[0].Length == 0 ? "/" : string.Join('/', parts[..wild]);
        string[] fitting = Directory.Exists(root) ? [.. Expand(root, parts.AsSpan(wild).ToArray()).Distinct().Order(StringComparer.Ordinal)] : [];
        return fitting.Length > 0 ? fitting.Select(file => (file, root)) : throw new InputException($"{argument}: fits no file");
    }

    private static IEnumerable<string> Expand(string folder, string[] parts)
    {
        string part = parts[0];
        bool last = parts.Length == 1;
        if (part == AnyFolders)
        {
            IEnumerable<string> here = last ? Directory.EnumerateFiles(folder) : Expand(folder, parts[1..]);
            return here.Concat(Directory.EnumerateDirectories(folder).SelectMany(inner => Expand(inner, parts)));
        }
        IEnumerable<string> entries = last ? Directory.EnumerateFiles(folder) : Directory.EnumerateDirectories(folder);
        entries = entries.Where(entry => FileSystemName.MatchesSimpleExpression(part, Path.GetFileName(entry), ignoreCase: false));
        return last ? entries : entries.SelectMany(inner => Expand(inner, parts[1..]));
    }

    private static bool IsRecording(string path) => Endings.Contains(Path.GetExtension(path));

    /// <summary>Names without endings; where two would be the same, those keep their endings, and where that does not tell them apart, their whole folders.</summary>
    private static List<ListedRecording> Targets(List<(string Path, string Relative)> found)
    {
        Func<(string Path, string Relative), string>[] names =
        [
            item => Path.ChangeExtension(item.Relative, null),
            item => item.Relative,
            item => Path.ChangeExtension(Path.GetRelativePath(CommonFolder(found), Path.GetFullPath(item.Path)), null),
            item => Path.GetRelativePath(CommonFolder(found), Path.GetFullPath(item.Path)),
        ];
        var targets = new string?[found.Count];
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (Func<(string Path, string Relative), string> name in names)
        {
            foreach (IGrouping<string, int> group in Enumerable.Range(0, found.Count).Where(i => targets[i] is null)
                .GroupBy(i => name(found[i]), StringComparer.OrdinalIgnoreCase).Where(group => group.Count() == 1).ToArray())
            {
                if (taken.Add(group.Key))
                    targets[group.Single()] = group.Key;
            }
        }
        return [.. found.Select((item, i) => new ListedRecording(item.Path, targets[i] ?? throw new InputException($"{item.Path}: its texts would be written over those of another")))];
    }

    private static string CommonFolder(List<(string Path, string Relative)> found)
    {
        string[][] folders = [.. found.Where(item => item.Path != StandardInput).Select(item => Path.GetDirectoryName(Path.GetFullPath(item.Path))!.Split(Path.DirectorySeparatorChar))];
        int common = 0;
        while (common < folders.Min(folder => folder.Length) && folders.All(folder => folder[common] == folders[0][common]))
            common++;
        return common <= 1 ? Path.DirectorySeparatorChar.ToString() : string.Join(Path.DirectorySeparatorChar, folders[0][..common]);
    }
}
