using System.Runtime.InteropServices;

namespace Ds2.Runtime.Data.Batching;

/// <summary>Lowers the calling thread's priority.</summary>
internal static partial class LowPriority
{
    private const int Process = 0, Nice = 5;

    /// <summary>Makes the calling thread give way to threads that compute. Without effect where the system has no such thing.</summary>
    public static void Enter()
    {
        Thread.CurrentThread.Priority = ThreadPriority.BelowNormal;
        // .NET ignores thread priorities on Linux, where niceness belongs to the thread: 0 stands for the calling one.
        if (OperatingSystem.IsLinux())
            _ = SetPriority(Process, 0, Nice);
    }

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, uint who, int priority);
}
