using System.Runtime.InteropServices;

namespace Ds2.Runtime.Files;

/// <summary>Has the disk take everything that was written so far.</summary>
internal static partial class DiskSync
{
    /// <summary>Waits for the disk: once for many small files, where a wait for each would take hours. Without effect on Windows.</summary>
    public static void Flush()
    {
        if (!OperatingSystem.IsWindows())
            Sync();
    }

    [LibraryImport("libc", EntryPoint = "sync")]
    private static partial void Sync();
}
