using Ds2.Runtime;

namespace Ds2.Train.Commands.Transcription;

/// <summary>Lists folders. One that cannot be listed is noted and passed over, so that it ends nothing; links to folders are noted and not followed, so that no circle is walked.</summary>
internal sealed class FolderWalk
{
    private readonly Dictionary<string, string> faults = [];
    private readonly SortedSet<string> links = new(StringComparer.Ordinal);

    /// <summary>A line for each folder that could not be listed.</summary>
    public IReadOnlyCollection<string> Faults => faults.Values;

    /// <summary>The links to folders that were not followed.</summary>
    public IReadOnlyCollection<string> Links => links;

    /// <summary>The files of a folder.</summary>
    public IReadOnlyList<string> Files(string folder) => List(folder, Directory.GetFiles);

    /// <summary>The folders of a folder.</summary>
    public IReadOnlyList<string> Folders(string folder) => List(folder, Directory.GetDirectories);

    /// <summary>A folder, and all that are below it, links apart.</summary>
    public IEnumerable<string> Tree(string folder)
    {
        yield return folder;
        foreach (string inner in Folders(folder))
        {
            if (new DirectoryInfo(inner).LinkTarget is not null)
            {
                links.Add(inner);
                continue;
            }
            foreach (string below in Tree(inner))
                yield return below;
        }
    }

    private string[] List(string folder, Func<string, string[]> list)
    {
        try
        {
            return list(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Asked for its files and for its folders, it says the same twice.
            faults[folder] = new InputException($"{folder}: this folder cannot be read: {exception.Message}").Message;
            return [];
        }
    }
}
