using System.IO.Enumeration;
using Ds2.Runtime;

namespace Ds2.Train.Commands.Transcription;

/// <summary>The recordings that a command line means: files, folders, globs, and <c>-</c>.</summary>
/// <param name="Recordings">In the order in which they are named, a folder's and a glob's by name; each once.</param>
/// <param name="AreNamed">Whether each was named itself, none by its folder or a glob.</param>
/// <param name="Faults">A line for each folder that could not be listed.</param>
/// <param name="Links">The links to folders that were not followed.</param>
internal sealed record RecordingList(IReadOnlyList<ListedRecording> Recordings, bool AreNamed, IReadOnlyCollection<string> Faults, IReadOnlyCollection<string> Links)
{
    /// <summary>What standard input is called on the command line.</summary>
    public const string StandardInput = "-";

    private const string AnyFolders = "**";

    /// <summary>The endings by which a folder's recordings are known; a file that is named need have none of them.</summary>
    private static readonly HashSet<string> Endings = new(
        [
            ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".snd", ".sph", ".caf", ".w64", ".rf64", ".voc", ".mfc", ".npy",
            ".m4a", ".m4b", ".aac", ".wma", ".amr", ".3gp", ".mp4", ".mkv", ".webm", ".mov", ".avi", ".ts", ".mpg", ".mpeg", ".flv", ".wmv", ".ac3", ".wv", ".ape",
        ],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>Finds them.</summary>
    /// <param name="arguments">Files, folders, globs, <c>-</c>.</param>
    /// <param name="folder">Where the texts go; null for beside each recording.</param>
    /// <exception cref="InputException">A folder has no recordings, a glob fits none, or two recordings cannot have texts of their own.</exception>
    public static RecordingList Find(IEnumerable<string> arguments, string? folder)
    {
        var walk = new FolderWalk();
        var found = new List<(string Path, string Root)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        bool named = true;
        foreach (string argument in arguments)
        {
            bool one = argument == StandardInput || File.Exists(argument) || !Directory.Exists(argument) && !HasWildcard(argument);
            named &= one;
            // A file that is not there is named as missing when its turn comes.
            IEnumerable<(string Path, string Root)> meant = one ? [(argument, Path.GetDirectoryName(argument) is { Length: > 0 } parent ? parent : ".")]
                : Directory.Exists(argument) ? OfFolder(walk, argument) : OfGlob(walk, argument);
            found.AddRange(meant.Where(item => seen.Add(item.Path == StandardInput ? item.Path : Path.GetFullPath(item.Path))));
        }
        return new RecordingList(TextNames.Of(found, folder), named, walk.Faults, walk.Links);
    }

    private static IEnumerable<(string Path, string Root)> OfFolder(FolderWalk walk, string folder)
    {
        string[] files = [.. walk.Tree(folder).SelectMany(walk.Files).Where(IsRecording).Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files.Select(file => (file, folder)) : throw None(walk, $"{folder}: no recordings in this folder, by their names' endings");
    }

    private static IEnumerable<(string Path, string Root)> OfGlob(FolderWalk walk, string glob)
    {
        string[] parts = glob.Split('/', '\\');
        int wild = Array.FindIndex(parts, HasWildcard);
        string root = wild == 0 ? "." : wild == 1 && parts[0].Length == 0 ? "/" : string.Join('/', parts[..wild]);
        string[] fitting = Directory.Exists(root) ? [.. Expand(walk, root, parts[wild..]).Distinct().Order(StringComparer.Ordinal)] : [];
        return fitting.Length > 0 ? fitting.Select(file => (file, root)) : throw None(walk, $"{glob}: fits no file");
    }

    private static IEnumerable<string> Expand(FolderWalk walk, string folder, string[] parts)
    {
        bool last = parts.Length == 1;
        if (parts[0] == AnyFolders)
            return walk.Tree(folder).SelectMany(inner => last ? walk.Files(inner) : Expand(walk, inner, parts[1..]));
        IEnumerable<string> fitting = (last ? walk.Files(folder) : walk.Folders(folder))
            .Where(entry => FileSystemName.MatchesSimpleExpression(parts[0], Path.GetFileName(entry), ignoreCase: false));
        return last ? fitting : fitting.SelectMany(inner => Expand(walk, inner, parts[1..]));
    }

    /// <summary>Why nothing was found: what kept us from looking, where there is such a thing.</summary>
    private static InputException None(FolderWalk walk, string message) => new(
        walk.Faults.FirstOrDefault() ?? (walk.Links.Count > 0 ? $"{message}; links to folders, such as {walk.Links.First()}, are not followed" : message));

    private static bool HasWildcard(string name) => name.AsSpan().IndexOfAny('*', '?') >= 0;

    private static bool IsRecording(string path) => Endings.Contains(Path.GetExtension(path));
}
