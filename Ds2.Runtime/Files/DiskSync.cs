using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ds2.Runtime.Files;

/// <summary>Has the disk take what was written.</summary>
internal static partial class DiskSync
{
    /// <summary>Waits for the disk to take everything: once for many small files, where a wait for each would take hours. Without effect on Windows.</summary>
    public static void Flush()
    {
        if (!OperatingSystem.IsWindows())
            Sync();
    }

    /// <summary>Waits for the disk to take a folder's list of names: a rename is in no file's own data. Without effect on Windows.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
            return;
        using var handle = new SafeFileHandle(Open(folder, OperatingSystem.IsLinux() ? CloseOnExec : 0), ownsHandle: true);
        // Where a folder may be written but not read it cannot be opened, and is flushed by the system in its own time.
        if (!handle.IsInvalid)
            RandomAccess.FlushToDisk(handle);
    }

    /// <summary>Linux's O_CLOEXEC; the rest of the flags is zero: to be read.</summary>
    private const int CloseOnExec = 0x80000;

    [LibraryImport("libc", EntryPoint = "sync")]
    private static partial void Sync();

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
