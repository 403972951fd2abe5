using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Ds2.Train.Commands;

/// <summary>Turns Ctrl-C, SIGTERM, a lost terminal (SIGHUP) and SIGUSR1 into a token, so that long work can finish what it is at; a later signal ends the process.</summary>
/// <remarks>
/// Signals within <see cref="OneSignal"/> of the first count as the same one: <c>timeout -s INT</c> sends two, to the process and to its group, and systemd
/// sends SIGHUP right after SIGTERM. SIGHUP and SIGUSR1 alone never end the process at once: nobody insists by them. SIGUSR1 is what <c>mpirun</c> hands on to all ranks and leaves them the time to
/// save (SIGTERM it follows up with SIGKILL), and what Slurm sends ahead of a job's time limit (<c>--signal=USR1@300</c>). Signals that are ignored when the program
/// starts, as SIGHUP is under <c>nohup</c>, stay ignored: .NET leaves them alone.
/// </remarks>
internal sealed class Interruption : IDisposable
{
    private static readonly TimeSpan OneSignal = TimeSpan.FromSeconds(2);

    private static readonly PosixSignal UserSignal = (PosixSignal)(OperatingSystem.IsLinux() ? 10 : 30);

    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;
    private long first;

    /// <param name="doing">See <see cref="Doing"/>.</param>
    public Interruption(string doing)
    {
        Doing = doing;
        registrations =
        [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, Handle)),
            .. OperatingSystem.IsWindows() ? [] : new[] { PosixSignalRegistration.Create(UserSignal, Handle) },
        ];
    }

    /// <summary>What the program does if it hears the first signal now, for the user.</summary>
    public string Doing { get; set; }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => source.Token;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in registrations)
            registration.Dispose();
        source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        long earlier = Interlocked.CompareExchange(ref first, Stopwatch.GetTimestamp(), 0);
        if (earlier != 0 && (context.Signal is PosixSignal.SIGINT or PosixSignal.SIGTERM) && Stopwatch.GetElapsedTime(earlier) > OneSignal)
            return;
        context.Cancel = true;
        if (earlier != 0)
            return;
        source.Cancel();
        Console.Error.WriteLine($"ds2: interrupted: {Doing}");
    }
}
