namespace Ds2.Runtime.Files;

/// <summary>Which file a path leads to, by whatever way: what is written follows links, so that two paths may be one file.</summary>
public static class FileIdentity
{
    /// <summary>A text that is the same for two paths that lead to one file. A path that leads to no file, or to a device, which nothing replaces, stands for itself.</summary>
    /// <param name="path">The file, which need not be there.</param>
    public static string Of(string path)
    {
        string full = Path.GetFullPath(path);
        if (!OperatingSystem.IsLinux())
            return WithoutLinks(full);
        return PosixFile.Identity(full) is (long device, long inode) ? $"{device}:{inode}" : full;
    }

    /// <summary>Whether a path leads to a named pipe, or to one of the shell's, as <c>/dev/fd/63</c> is: what comes from it can be read but once. False where there is no telling.</summary>
    /// <param name="path">The file, which need not be there.</param>
    public static bool IsPipe(string path) => OperatingSystem.IsLinux() && PosixFile.IsPipe(path);

    /// <summary>Whether a path leads to a file that can be read as often as one likes: no folder, pipe or device.</summary>
    /// <param name="path">The file, which need not be there.</param>
    public static bool IsFile(string path) => OperatingSystem.IsLinux() ? PosixFile.Identity(path) is not null : File.Exists(path);

    /// <summary>A full path with the links to the file and to each of its folders followed.</summary>
    /// <param name="full">The file, which need not be there.</param>
    public static string WithoutLinks(string full)
    {
        if (Path.GetDirectoryName(full) is not { } folder)
            return full;
        string path = Path.Combine(WithoutLinks(folder), Path.GetFileName(full));
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true) is { } target ? WithoutLinks(target.FullName) : path;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return path; // links in a circle, or a folder that is closed: whoever opens it learns why
        }
    }
}
