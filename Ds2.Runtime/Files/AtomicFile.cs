namespace Ds2.Runtime.Files;

/// <summary>Files that are replaced as a whole: whoever opens one finds the old content or the new, never a part.</summary>
public static class AtomicFile
{
    /// <summary>What the name of a file being written ends in. One that a killed process left behind is overwritten by the next write.</summary>
    public const string PartialSuffix = ".partial";

    /// <summary>Writes a file beside its place, has the disk take it, and renames it into its place.</summary>
    /// <remarks>
    /// rename(2) within a folder replaces the old file in one step, so a process killed at any moment leaves one of the two whole; the flush before it
    /// keeps that true when the machine itself fails, as a rename must not reach the disk before the data that it names. The folder is flushed too:
    /// what a caller does next, such as to delete what the file replaces, must not reach the disk before the rename.
    /// One writer a path at a time. The folder is made where it is missing. Of a symbolic link the file that it leads to is replaced, and what is under /dev, or a named pipe, is written to as it is.
    /// </remarks>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="write">Writes the content; where it throws, the old file stays and the part written goes.</param>
    /// <exception cref="IOException">The disk is full, the folder is not writable, or another process writes the same file.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string full = Path.GetFullPath(path);
        if (IsDevice(full) || FileIdentity.IsPipe(full))
        {
            using var device = new FileStream(full, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            write(device);
            return;
        }

        if (new FileInfo(full).LinkTarget is not null)
            full = File.ResolveLinkTarget(full, returnFinalTarget: true)!.FullName;
        string folder = Path.GetDirectoryName(full)!;
        if (File.Exists(folder))
            throw new IOException($"{path}: cannot be written: {folder} is a file, not a folder");
        Directory.CreateDirectory(folder);
        string partial = full + PartialSuffix;

        // Our own writes come in large blocks: a buffer between would only copy them once more.
        var stream = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            using (stream)
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(partial, full, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
        DiskSync.FlushFolder(folder);
    }

    /// <summary>Copies a file, the copy being whole or not there, likewise.</summary>
    /// <param name="from">The file.</param>
    /// <param name="to">The copy to make or replace.</param>
    /// <exception cref="InputException">The file cannot be read.</exception>
    /// <exception cref="IOException">The copy cannot be written.</exception>
    public static void Copy(string from, string to)
    {
        using FileStream source = InputFile.Open(from);
        Write(to, source.CopyTo);
    }

    /// <summary>Whether a rename would put a file in a device's place, /dev/null or /dev/stdout: whoever may do that has asked for something else. Shared memory is files.</summary>
    private static bool IsDevice(string full) =>
        !OperatingSystem.IsWindows() && full.StartsWith("/dev/", StringComparison.Ordinal) && !full.StartsWith("/dev/shm/", StringComparison.Ordinal) && Path.Exists(full);

    /// <summary>Whether a write failed because the disk, or what of it the user may have, is full: others will fail too.</summary>
    public static bool IsFullDisk(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        const int NoSpace = 28, QuotaOfLinux = 122, QuotaOfMac = 69, DiskFullOfWindows = unchecked((int)0x80070070), HandleDiskFullOfWindows = unchecked((int)0x80070027);
        // Elsewhere than on Windows, .NET has the operating system's number there.
        return exception is IOException && exception.HResult is var number && (OperatingSystem.IsWindows() ? number is DiskFullOfWindows or HandleDiskFullOfWindows
            : number == NoSpace || number == (OperatingSystem.IsMacOS() ? QuotaOfMac : QuotaOfLinux));
    }
}
