using System.Runtime.InteropServices;

namespace Ds2.Runtime.Distributed;

/// <summary>Ends of this process that no library can hold up, for when the others are out of reach.</summary>
internal static partial class ProcessEnd
{
    // A look costs a microsecond, and what is lost meanwhile is a second of a machine.
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    private static Timer? watch;

    /// <summary>Ends this process at most about a second after its parent, its launcher or a wrapper, is gone. Once started, it watches for the rest of the process.</summary>
    /// <remarks>A library mostly notices by itself; but ranks of MPICH whose <c>hydra_pmi_proxy</c> was killed went on by themselves, with the run's folder taken. The system's own signal for it
    /// (PR_SET_PDEATHSIG) comes at the end of the thread that has started this process, and a launcher may go on without that thread.</remarks>
    public static void WithParent()
    {
        if (!OperatingSystem.IsLinux())
            return;
        int parent = ParentId();
        watch ??= new Timer(_ =>
        {
            // Nobody is left to be told, or to ask for the code.
            if (ParentId() != parent)
                Now(1);
        }, null, Look, Look);
    }

    /// <summary>Ends this process when the time is over, unless the result is disposed before.</summary>
    /// <param name="limit">The time; null, or more than a timer can count (49 days), for never.</param>
    /// <param name="exitCode">Its exit code then.</param>
    /// <param name="said">What it says on stderr then, where nobody else does.</param>
    public static IDisposable After(TimeSpan? limit, int exitCode, string? said = null) =>
        new Timer(_ => Now(exitCode, said), null, limit is { TotalDays: < 49 } time ? time : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    private static void Now(int exitCode, string? said)
    {
        if (said is not null)
            Console.Error.WriteLine(said);
        Now(exitCode);
    }

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int ParentId();

    // exit would run what is registered for the end of the process, which may wait for the others too.
    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Now(int status);
}
