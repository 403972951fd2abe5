using System.Runtime.InteropServices;

namespace Ds2.Train.Commands;

/// <summary>Turns Ctrl-C and SIGTERM into a token, so that long work can finish what it is at; a second signal ends the process.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly string what;
    private readonly PosixSignalRegistration[] registrations;

    /// <param name="what">What the program does when it hears the first signal, for the user.</param>
    public Interruption(string what = "finishing the batch and saving; once more to end at once")
    {
        this.what = what;
        registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];
    }

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
        if (source.IsCancellationRequested)
            return;
        context.Cancel = true;
        source.Cancel();
        Console.Error.WriteLine($"ds2: interrupted: {what}");
    }
}
