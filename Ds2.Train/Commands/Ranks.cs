using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Distributed;
using Ds2.Train.Reporting;

namespace Ds2.Train.Commands;

/// <summary>The processes of a job that trains one model, started by <c>mpirun</c>, <c>srun</c> or the like; most often there is one, and no launcher.</summary>
/// <remarks>Rank 0 alone takes the run's folder, writes and speaks. Another rank is heard of when it fails, in one line with its number and machine.</remarks>
internal sealed class Ranks : IDisposable
{
    /// <summary>How long a rank that is not the first keeps its failure to itself: what all ranks fail of, a manifest that is not there, rank 0 says for them and ends the job.</summary>
    private static readonly TimeSpan Courtesy = TimeSpan.FromSeconds(3);

    /// <summary>How long a launcher is given to hand on a rank's last line.</summary>
    private static readonly TimeSpan Delivery = TimeSpan.FromMilliseconds(250);

    private static readonly Option<string> LibraryChoice = new("--mpi")
    {
        Description = "for training by several processes: auto (where mpirun, srun or the like has started this one), none, or the file of an MPI library",
        HelpName = "auto|none|FILE",
        DefaultValueFactory = _ => Mpi.Auto,
    };

    private static readonly Option<string> Buffers = new Option<string>("--mpi-buffers")
    {
        Description = "what a GPU's gradients and parameters are exchanged from: its own memory (device), host memory that they are copied through (host), or the GPU's where the MPI library says that it is CUDA-aware (auto)",
        HelpName = "auto|device|host",
        DefaultValueFactory = _ => "auto",
    }.AcceptOnlyFromAmong("auto", "device", "host");

    private static readonly Option<int> Timeout = CommandLine.Bounded("--exchange-timeout", "seconds that a process waits for the others before it ends the job; 0 for ever", 600, 0);

    private readonly TextWriter errors = Console.Error;
    private readonly Stack<IDisposable> kept = [];

    private Ranks(ICommunicator communicator)
    {
        Communicator = communicator;
        if (communicator.Rank > 0)
        {
            Console.SetOut(TextWriter.Null);
            Console.SetError(TextWriter.Null);
        }

        Hosts = ShowAll(communicator.Host);
        string cores = $"{communicator.Host} {AllowedCores()}";
        Sharing = ShowAll(cores).Count(others => others == cores);
    }

    /// <summary>The options.</summary>
    public static Option[] Options => [LibraryChoice, Buffers, Timeout];

    /// <summary>What the ranks exchange by.</summary>
    public ICommunicator Communicator { get; }

    /// <summary>Whether this rank writes and speaks.</summary>
    public bool IsFirst => Communicator.Rank == 0;

    /// <summary>Whether there are others.</summary>
    public bool AreSeveral => Communicator.Ranks > 1;

    /// <summary>This rank among the others.</summary>
    public Lane Lane => new(Communicator.Rank, Communicator.Ranks);

    /// <summary>The machine of each rank.</summary>
    public IReadOnlyList<string> Hosts { get; }

    /// <summary>Ranks that share the cores that this one may use: those of its machine, unless the launcher has given each, or each socket's, cores of their own.</summary>
    private int Sharing { get; }

    /// <summary>Finds the ranks and runs a command among them. Where one of several fails, the job ends on all of them.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="command">What each rank runs; gives the exit code.</param>
    public static int Run(ParseResult parsed, Func<Ranks, int> command)
    {
        int seconds = parsed.GetValue(Timeout);
        using var ranks = new Ranks(Open(parsed.GetValue(LibraryChoice)!, seconds == 0 ? null : TimeSpan.FromSeconds(seconds), parsed.GetValue(Buffers) != "host"));
        if (!ranks.AreSeveral)
            return command(ranks);
        try
        {
            return command(ranks);
        }
        catch (Exception exception)
        {
            if (!ranks.IsFirst)
                Thread.Sleep(Courtesy);
            Console.SetError(ranks.errors);
            ICommunicator communicator = ranks.Communicator;
            int code = Failure.Report(exception, exception is DistributedException ? "" : $"rank {communicator.Rank} on {communicator.Host}: ");
            // The launcher hands output on in its own time, and where the machine is busy may drop what it has not when the job is aborted.
            Thread.Sleep(Delivery);
            communicator.Abort(code);
            return code;
        }
    }

    /// <summary>Starts MPI. Where one of several processes cannot, its machine is named: which rank it would have been nobody knows yet.</summary>
    private static ICommunicator Open(string choice, TimeSpan? timeout, bool deviceMemory)
    {
        try
        {
            return Mpi.Open(choice, timeout, deviceMemory);
        }
        catch (InputException exception) when (Mpi.LaunchedRanks > 1)
        {
            throw new InputException($"on {Environment.MachineName}: {exception.Message}", exception);
        }
    }

    /// <summary>Threads of this rank's engine: those asked for, else its share of the machine's cores.</summary>
    public int Threads(int asked) => asked > 0 || !AreSeveral ? asked : Math.Max(1, Environment.ProcessorCount / Sharing);

    /// <summary>Threads that read, likewise.</summary>
    public int Loaders(int asked) => asked > 0 || !AreSeveral ? CommandLine.LoadersOf(asked) : Math.Max(1, BatchLoader.DefaultWorkers / Sharing);

    /// <summary>This rank's device: the one asked for by number, else of several GPUs the one that has the rank's number on this machine. The only one that it sees may be its own, as <c>srun --gpus-per-task</c> and containers give each a GPU.</summary>
    public DeviceChoice Device(DeviceChoice asked)
    {
        if (!AreSeveral || asked.Number is not null || asked.Kind is not (DeviceKind.Auto or DeviceKind.Cuda or DeviceKind.OpenCl))
            return asked;
        int own = Communicator.LocalRank;
        return asked with { Number = own > 0 && IlgpuEngine.Count(asked.Kind == DeviceKind.OpenCl ? IlgpuDeviceKind.OpenCl : IlgpuDeviceKind.Cuda) == 1 ? 0 : own };
    }

    /// <summary>Refuses one GPU for two ranks, unless it was asked for by number.</summary>
    /// <param name="asked">The device that was asked for.</param>
    /// <param name="engine">This rank's device.</param>
    /// <exception cref="InputException">Two ranks of a machine have the same; on all ranks.</exception>
    public void RequireOwnGpu(DeviceChoice asked, IEngine engine)
    {
        if (!AreSeveral)
            return;
        string[] places = ShowAll(asked.Number is null && engine is IlgpuEngine { PciAddress: { } address } ? $"{Communicator.Host}, PCI {address}" : "");
        for (int rank = 0; rank < places.Length; rank++)
        {
            int first = Array.IndexOf(places, places[rank]);
            if (places[rank].Length > 0 && first < rank)
                throw new InputException($"ranks {first} and {rank} have the same GPU ({places[rank]}): start a rank for each GPU, or say --device cuda:0 to have them share it");
        }
    }

    /// <summary>Keeps what holds memory that the MPI library may know, a GPU's context above all, until the library has ended. After a failure it may still hold requests on it: then the process ends with it.</summary>
    public T Keep<T>(T owner)
        where T : IDisposable
    {
        kept.Push(owner);
        return owner;
    }

    /// <summary>Refuses an exchange from the device's memory that is asked for and cannot be.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="engine">This rank's device.</param>
    /// <exception cref="InputException">The MPI library takes no device pointers, or the device has none.</exception>
    public void CheckBuffers(ParseResult parsed, IEngine engine)
    {
        if (!AreSeveral || parsed.GetValue(Buffers) != "device")
            return;
        if (!Communicator.TakesDeviceMemory)
            throw new InputException($"--mpi-buffers device: this {LibraryName} is not CUDA-aware (MPIX_Query_cuda_support): install a build that is, or --mpi-buffers auto");
        if (!HasDevicePointers(engine))
            throw new InputException($"--mpi-buffers device: {engine.Name} has no device pointers: --device cuda, or --mpi-buffers auto");
    }

    /// <summary>The library that they exchange by, and whether from the device's own memory; null for one on its own.</summary>
    /// <param name="engine">This rank's device.</param>
    public string? Library(IEngine engine) => LibraryName is { } name && AreSeveral && Communicator.TakesDeviceMemory && HasDevicePointers(engine) ? $"{name}, device pointers" : LibraryName;

    /// <summary>Machine and device of each rank; null for one on its own.</summary>
    /// <param name="device">What this rank was given.</param>
    /// <param name="engine">What became of it.</param>
    public IReadOnlyList<RankPlace>? Places(DeviceChoice device, IEngine engine)
    {
        if (!AreSeveral)
            return null;
        string[] devices = ShowAll(engine is HostEngine || device.Number is null or 0 ? engine.Name : $"{engine.Name}, number {device.Number}");
        return [.. Hosts.Zip(devices, (host, name) => new RankPlace(host, name))];
    }

    /// <summary>What rank 0 says, on all ranks.</summary>
    public string AsFirst(Func<string> said) => Encoding.UTF8.GetString(Communicator.Broadcast(IsFirst ? Encoding.UTF8.GetBytes(said()) : null, root: 0));

    /// <summary>Batches of a step: as many as there are ranks, unless options say more.</summary>
    /// <param name="asked">What the options say.</param>
    /// <param name="isSaid">Whether they do; else a 1 is the default.</param>
    /// <exception cref="InputException">Ranks cannot share it evenly.</exception>
    public int Accumulate(int asked, bool isSaid)
    {
        int count = Communicator.Ranks;
        return asked % count == 0 ? asked
            : asked == 1 && !isSaid ? count
            : throw new InputException($"{count} ranks cannot share steps of {asked} batches evenly: start as many ranks as divide {asked}, or --set accumulate={(asked / count + 1) * count}");
    }

    /// <summary>Holds against each other what must be the same on all ranks, before the first step.</summary>
    /// <param name="things">What each is called, and its value.</param>
    /// <exception cref="InputException">One has another; on all ranks.</exception>
    public void RequireSame(params (string Name, string Value)[] things)
    {
        if (!AreSeveral)
            return;
        foreach ((string name, string value) in things)
        {
            byte[][] digests = Communicator.AllGather(SHA256.HashData(Encoding.UTF8.GetBytes(value)));
            int other = Array.FindIndex(digests, digest => !digest.AsSpan().SequenceEqual(digests[0]));
            if (other >= 0)
                throw new InputException($"rank {other} on {Hosts[other]} has other {name} than rank 0 on {Hosts[0]}{Difference(value, other)}: all ranks need the same command line, program and files");
        }
    }

    /// <summary>In brackets, the first line in which a rank's value differs from rank 0's; nothing of a value of one line, such as a digest. All ranks call it.</summary>
    private string Difference(string value, int other)
    {
        string[] Lines(int rank) => Encoding.UTF8.GetString(Communicator.Broadcast(Communicator.Rank == rank ? Encoding.UTF8.GetBytes(value) : null, rank)).Split('\n');
        string[] theirs = Lines(other), first = Lines(0);
        (string Theirs, string First)[] differing = [.. theirs.Zip(first).Where(pair => pair.First != pair.Second)];
        return theirs.Length < 2 || differing.Length == 0 ? "" : $" ({differing[0].Theirs.Trim().TrimEnd(',')}, not {differing[0].First.Trim().TrimEnd(',')})";
    }

    private string? LibraryName => (Communicator as MpiCommunicator)?.Library;

    private static bool HasDevicePointers(IEngine engine) => engine is IlgpuEngine { HasDevicePointers: true };

    /// <summary>What each rank has to say, by rank.</summary>
    private string[] ShowAll(string own) => [.. Communicator.AllGather(Encoding.UTF8.GetBytes(own)).Select(Encoding.UTF8.GetString)];

    /// <summary>The cores that the system lets this process use, in its words; empty where it has none for it.</summary>
    private static string AllowedCores()
    {
        const string status = "/proc/self/status";
        return File.Exists(status) ? File.ReadLines(status).FirstOrDefault(line => line.StartsWith("Cpus_allowed_list", StringComparison.Ordinal)) ?? "" : "";
    }

    /// <summary>Ends MPI, once all ranks are done, and gives back what was kept, the last first.</summary>
    public void Dispose()
    {
        Communicator.Dispose();
        while (kept.TryPop(out IDisposable? owner))
            owner.Dispose();
        Console.SetError(errors);
    }
}
