namespace Ds2.Runtime.Data;

/// <summary>The folders of a corpus, each once. Threads may share it.</summary>
internal sealed class FolderNames
{
    private readonly Dictionary<string, int> indices = [];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup;

    public FolderNames() => lookup = indices.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Splits a path into its folder's number and its name.</summary>
    public int Split(string path, out ReadOnlySpan<char> name)
    {
        int end = path.LastIndexOf('/') + 1;
        name = path.AsSpan(end);
        ReadOnlySpan<char> folder = path.AsSpan(0, end);
        lock (indices)
        {
            if (!lookup.TryGetValue(folder, out int index))
                lookup[folder] = index = indices.Count;
            return index;
        }
    }

    /// <summary>All folders by their numbers, with the separator at their end.</summary>
    public string[] ToArray() => [.. indices.OrderBy(pair => pair.Value).Select(pair => pair.Key)];
}
