using System.Diagnostics;
using System.Text.Json.Nodes;
using Ds2.Runtime.Training;
using Ds2.Tests.Engines;
using Ds2.Tests.Training;

namespace Ds2.Tests.Distributed;

/// <summary><c>--mpi-buffers</c>: what an MPI library is handed, and what is said where that cannot be.</summary>
[TestFixture("mpirun.openmpi", "libmpi.so.40", "Open MPI", "adamw")]
[TestFixture("mpirun.mpich", "libmpich.so.12", "MPICH", "sgd")]
public sealed class DeviceBuffersTests(string launcher, string library, string name, string optimizer)
{
    private TinyCorpus corpus = null!;

    private static string Program => typeof(Ds2.Train.Program).Assembly.Location;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus(shortest: 24);

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>A launcher's own library moves what lies in the memory of the emulated P100, which is the host's: whatever it says of itself, it can. One process, two with copies through the host, two without.</summary>
    [Test]
    public void Train_FromDeviceMemory_SameCheckpoint()
    {
        NeedsEmulatedP100();
        MpiJob.Require(launcher);
        string[] settings = ["--device", "cuda:0", "--set", "accumulate=2", "--set", $"optimizer={optimizer}", "--epochs", "2"], shared = [.. settings, "--mpi"];
        (Dictionary<string, float[]> alone, _) = Finish(1, "alone", settings);
        (Dictionary<string, float[]> copied, string? copiedBy) = Finish(2, "copied", [.. shared, AwareLibrary(), "--mpi-buffers", "host"]);
        (Dictionary<string, float[]> direct, string? directBy) = Finish(2, "direct", [.. shared, AwareLibrary("-DMAPS_MEMORY")]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((copiedBy, directBy), Is.EqualTo((name, $"{name}, device pointers")));
            Assert.That(copied, Is.EqualTo(alone));
            Assert.That(direct, Is.EqualTo(alone));
        }
    }

    /// <summary>The only GPU that a rank sees may be its own; here it is the other's, too.</summary>
    [Test]
    public void Train_OneGpuForTwoRanks_IsSaid()
    {
        NeedsEmulatedP100();
        AssertRefused(["--device", "cuda"], "ranks 0 and 1 have the same GPU (");
        Finish(2, "shared", ["--device", "cuda:0", "--epochs", "1"]);
    }

    private static void NeedsEmulatedP100()
    {
        if (!TestEngines.Names.Contains("cuda") || Environment.GetEnvironmentVariable("LD_LIBRARY_PATH")?.Contains("ptxemu", StringComparison.Ordinal) != true)
            Assert.Ignore("needs the emulated P100 (DS2_TEST_DEVICE=cuda): libraries here take no pointers of a real one");
    }

    [Test]
    public void Train_DeviceMemoryWithALibraryThatIsNotCudaAware_IsSaid() =>
        AssertRefused(["--device", "host", "--mpi-buffers", "device"], $"--mpi-buffers device: this {name} is not CUDA-aware");

    [Test]
    public void Train_DeviceMemoryOfTheHost_IsSaid() =>
        AssertRefused(["--device", "host", "--mpi", AwareLibrary(), "--mpi-buffers", "device"], "--mpi-buffers device: host (1 thread, ");

    /// <summary>On the host an aware library changes nothing.</summary>
    [Test]
    public void Train_AwareLibraryOnTheHost_SameCheckpoint()
    {
        MpiJob.Require(launcher);
        string[] settings = ["--device", "host", "--set", "accumulate=2", "--epochs", "2"];
        (Dictionary<string, float[]> plain, _) = Finish(2, "plain", settings);
        (Dictionary<string, float[]> aware, string? by) = Finish(2, "aware", [.. settings, "--mpi", AwareLibrary()]);
        Assert.That(by, Is.EqualTo(name));
        Assert.That(aware, Is.EqualTo(plain));
    }

    private void AssertRefused(string[] arguments, string message)
    {
        MpiJob.Result job = MpiJob.RunProgram(launcher, 2, Program, Arguments("refused", arguments));
        Assert.That(job.Code, Is.EqualTo(2), job.Output + job.Error);
        Assert.That(job.Lines, Has.Length.EqualTo(1).And.One.Contains(message), job.Output + job.Error);
    }

    /// <summary>The launcher's library under another name, but that it says it is CUDA-aware, and has each rank alone on its machine: the emulated P100 is one.</summary>
    /// <param name="flags">MAPS_MEMORY: its end finds fault with memory that it sent from and that is no longer there, as a library would that has it mapped until then.</param>
    private string AwareLibrary(params string[] flags)
    {
        string source = corpus.PathOf("aware.c"), file = corpus.PathOf("libaware.so");
        File.WriteAllText(source, """
            #include <dlfcn.h>
            #include <stdio.h>
            #include <unistd.h>
            extern int MPI_Comm_rank(void *, int *), MPI_Comm_split(void *, int, int, void **), PMPI_Finalize(void);
            extern int PMPI_Isend(void *, int, void *, int, int, void *, void *);
            int MPIX_Query_cuda_support(void) { return 1; }
            int MPI_Comm_split_type(void *all, int type, int key, void *info, void **node)
            {
                int rank;
                MPI_Comm_rank(all, &rank);
                return MPI_Comm_split(all, rank, key, node);
            }
            #ifdef MAPS_MEMORY
            static void *sent;
            static int is_on_device(void *address)
            {
                void *cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
                int (*attribute)(void *, int, void *) = cuda ? dlsym(cuda, "cuPointerGetAttribute") : 0;
                int kind;
                return attribute && attribute(&kind, 2, address) == 0;
            }
            int MPI_Isend(void *from, int count, void *type, int to, int tag, void *all, void *request)
            {
                if (is_on_device(from))
                    sent = from;
                return PMPI_Isend(from, count, type, to, tag, all, request);
            }
            int MPI_Finalize(void)
            {
                if (!sent || !is_on_device(sent))
                {
                    fputs(sent ? "memory given back before MPI_Finalize\n" : "no device memory was sent\n", stderr);
                    _exit(9);
                }
                return PMPI_Finalize();
            }
            #endif
            """);
        try
        {
            using Process compiler = Process.Start("gcc", ["-shared", "-fPIC", .. flags, "-o", file, source, "-Wl,--no-as-needed", $"-l:{library}"]);
            compiler.WaitForExit();
            Assert.That(compiler.ExitCode, Is.Zero, "gcc");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("needs gcc (apt install gcc)");
        }

        return file;
    }

    private (Dictionary<string, float[]> Tensors, string? Mpi) Finish(int ranks, string folder, string[] arguments)
    {
        MpiJob.Result job = MpiJob.RunProgram(launcher, ranks, Program, Arguments(folder, arguments));
        Assert.That(job.Code, Is.Zero, job.Output + job.Error);
        Assert.That(job.Error, Does.Not.Contain("MPI_Finalize"));
        JsonNode start = JsonNode.Parse(File.ReadAllText(corpus.PathOf($"{folder}/environment.json")))!.AsArray().Single()!;
        return (TrainingRuns.TensorsOf(new CheckpointPolicy(corpus.PathOf(folder), TimeSpan.Zero).Latest), (string?)start["mpi"]);
    }

    private string[] Arguments(string folder, string[] more)
    {
        string[] arguments = corpus.TrainArguments(folder);
        int device = Array.IndexOf(arguments, "--device");
        return [.. arguments[..device], .. arguments[(device + 2)..], "--threads", "1", "--loaders", "1", "--target-wer", "-1", "--set", "batch=1", "--set", "dropout=0.1", .. more];
    }
}
