namespace Ds2.Runtime.Files;

/// <summary>A file's size and time of change: whether it is still the one that was read.</summary>
/// <param name="Bytes">Its size.</param>
/// <param name="Changed">When it changed last, in nanoseconds since 1970: on Linux the inode's time of change, which unlike that of the content cannot be set back.</param>
internal readonly record struct FileStamp(long Bytes, long Changed)
{
    /// <summary>The time in the unit of <see cref="Changed"/>.</summary>
    public static long Now => (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;

    /// <summary>Looks at a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Null where there is none, or no telling: whoever opens it learns why.</returns>
    public static FileStamp? Of(string path)
    {
        if (OperatingSystem.IsLinux())
            return PosixFile.Stat(path) is (long bytes, long changed) ? new FileStamp(bytes, changed) : null;
        var file = new FileInfo(path);
        return file.Exists ? new FileStamp(file.Length, (file.LastWriteTimeUtc - DateTime.UnixEpoch).Ticks * 100) : null;
    }

    /// <summary>Whether the time tells of every later change: within a tick of the file system's clock, a second one leaves it as it is.</summary>
    /// <param name="seen">When the file was looked at.</param>
    /// <param name="tick">Of the clock.</param>
    public bool IsSettled(long seen, TimeSpan tick) => Changed < seen - tick.Ticks * 100;
}
