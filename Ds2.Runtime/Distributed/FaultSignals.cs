using System.Runtime.InteropServices;

namespace Ds2.Runtime.Distributed;

/// <summary>What this process does on the signals of faults, kept while a library is loaded and started.</summary>
/// <remarks>.NET makes a null reference exception of SIGSEGV, and the like. UCX, PSM2 and Open MPI put handlers of their own there, which print a backtrace and end the process,
/// each with a setting of its own against it; taking back what was there serves all.</remarks>
internal static unsafe partial class FaultSignals
{
    // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV.
    private static readonly int[] Signals = [4, 5, 6, 7, 8, 11];

    // glibc's struct sigaction has 152 bytes.
    private const int ActionBytes = 256;

    /// <summary>Runs something, and then takes back what it has made of the signals.</summary>
    public static T Keep<T>(Func<T> call)
    {
        byte* actions = stackalloc byte[Signals.Length * ActionBytes];
        for (int i = 0; i < Signals.Length; i++)
            _ = SigAction(Signals[i], null, actions + i * ActionBytes);
        try
        {
            return call();
        }
        finally
        {
            for (int i = 0; i < Signals.Length; i++)
                _ = SigAction(Signals[i], actions + i * ActionBytes, null);
        }
    }

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int SigAction(int signal, byte* action, byte* before);
}
