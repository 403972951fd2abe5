namespace Ds2.Runtime.Distributed;

/// <summary>Finds the ranks that this process was started with.</summary>
public static class Mpi
{
    /// <summary>MPI where a launcher (<c>mpirun</c>, <c>srun</c>) has started this process, else alone.</summary>
    public const string Auto = "auto";

    /// <summary>Alone, whatever has started this process.</summary>
    public const string None = "none";

    /// <summary>How many processes a launcher has started together with this one, as its environment says; 1 where there is none, or it does not say. Nothing is loaded.</summary>
    public static int LaunchedRanks => Launcher.Find(Environment.GetEnvironmentVariable)?.Ranks ?? 1;

    /// <summary>Has the console write no escape sequences where a launcher has started this process: Open MPI gives each process a terminal, to which .NET would write them, before the first JSON line and into logs.</summary>
    /// <remarks>Before the console is used first.</remarks>
    public static void QuietConsole()
    {
        if (Launcher.Find(Environment.GetEnvironmentVariable) is not null)
            Environment.SetEnvironmentVariable("TERM", "dumb");
    }

    /// <summary>Starts MPI, once in a process, or nothing.</summary>
    /// <param name="choice"><see cref="Auto"/>, <see cref="None"/>, or the file of a library, which is then used in any case.</param>
    /// <param name="timeout">How long a rank waits for the others in a call; null for ever. A step's longest difference between ranks must fit, and an evaluation's.</param>
    /// <param name="deviceMemory">Whether a CUDA-aware library is to be handed a GPU's memory (<see cref="ICommunicator.TakesDeviceMemory"/>).</param>
    /// <exception cref="InputException">The library is missing, or does not belong to the launcher; the message names the package.</exception>
    /// <exception cref="DistributedException">The library cannot be started.</exception>
    public static ICommunicator Open(string choice, TimeSpan? timeout, bool deviceMemory = false)
    {
        Launcher? launcher = choice == None ? null : Launcher.Find(Environment.GetEnvironmentVariable);
        if (choice == Auto && launcher is null)
            Launcher.RequireNoOthers(Environment.GetEnvironmentVariable);
        if (choice == None || (choice == Auto && launcher is null))
            return new LoneCommunicator();
        if (launcher is not null)
            ProcessEnd.WithParent();
        MpiCommunicator communicator = FaultSignals.Keep(() => new MpiCommunicator(choice == Auto ? Find(launcher!, MpiLibrary.TryLoad) : Load(choice, launcher), timeout, deviceMemory));
        if (launcher?.Ranks is not { } ranks || ranks == communicator.Ranks)
            return communicator;
        string found = communicator.Library;
        communicator.Dispose();
        throw new InputException($"{launcher.Variable} tells of {ranks} processes, {found} of {communicator.Ranks}: launcher and library do not belong together");
    }

    /// <summary>The first library that there is, of those that fit the launcher.</summary>
    /// <param name="launcher">What has started this process.</param>
    /// <param name="load">Loads a file if it is there and of that family.</param>
    /// <exception cref="InputException">There is none.</exception>
    internal static MpiLibrary Find(Launcher launcher, Func<string, MpiKind?, MpiLibrary?> load) =>
        launcher.Files.Select(each => load(each.File, each.Kind)).FirstOrDefault(library => library is not null)
        ?? throw new InputException(launcher.Kind is { } kind
            ? $"started by {kind.Name()}'s launcher, and its library {kind.Files()[0]} is not installed: {kind.Packages()}"
            : $"started under {launcher.Variable}, and there is no MPI library: {MpiKind.OpenMpi.Packages()}, or {MpiKind.Mpich.Packages()}");

    private static MpiLibrary Load(string file, Launcher? launcher)
    {
        MpiLibrary library = MpiLibrary.TryLoad(file, null)
            ?? throw new InputException($"{file}: cannot be loaded as an MPI library ({MpiKind.OpenMpi.Packages()}, or {MpiKind.Mpich.Packages()})");
        return launcher?.Kind is not { } kind || kind == library.Kind
            ? library
            : throw new InputException($"{file}: is {library.Kind.Name()}'s, and the launcher is {kind.Name()}'s, whose library is {kind.Files()[0]}: {kind.Packages()}");
    }
}
