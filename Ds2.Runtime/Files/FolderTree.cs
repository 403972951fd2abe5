using System.IO.Enumeration;

namespace Ds2.Runtime.Files;

/// <summary>Lists all files below a folder. Links to folders are not followed, so that no circle is walked: where several lead up again, there is no end to their paths.</summary>
/// <param name="Files">The files, in no order; links to files among them.</param>
/// <param name="Links">The links to folders that were not followed, in no order.</param>
internal sealed record FolderTree(IReadOnlyList<string> Files, IReadOnlyList<string> Links)
{
    /// <summary>Lists a folder, hidden files included.</summary>
    /// <param name="folder">The folder, itself a link or not.</param>
    /// <param name="follows">Which links to folders are followed nevertheless: never those of a circle.</param>
    public static FolderTree Of(string folder, Predicate<string>? follows = null)
    {
        bool IsLeftOut(ref FileSystemEntry entry) => entry.IsDirectory && entry.Attributes.HasFlag(FileAttributes.ReparsePoint) && follows?.Invoke(entry.ToSpecifiedFullPath()) != true;
        var everything = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false };
        var entries = new FileSystemEnumerable<(string Path, bool IsFolder)>(folder, (ref entry) => (entry.ToSpecifiedFullPath(), entry.IsDirectory), everything)
        {
            ShouldIncludePredicate = (ref entry) => !entry.IsDirectory || IsLeftOut(ref entry),
            ShouldRecursePredicate = (ref entry) => !IsLeftOut(ref entry),
        };
        List<string> files = [], links = [];
        foreach ((string path, bool isFolder) in entries)
            (isFolder ? links : files).Add(path);
        return new FolderTree(files, links);
    }
}
