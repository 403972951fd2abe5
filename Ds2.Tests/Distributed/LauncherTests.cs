using Ds2.Runtime;
using Ds2.Runtime.Distributed;

namespace Ds2.Tests.Distributed;

/// <summary>What the environment tells of the launcher, and which libraries are looked for then.</summary>
public sealed class LauncherTests
{
    private static readonly string[] OpenMpi = ["libmpi.so.40", "libmpi.so"], Mpich = ["libmpich.so.12", "libmpi.so.12", "libmpi.so"];

    [Test]
    public void NoLauncher_IsAlone()
    {
        // What a Slurm allocation sets for a shell, and a user for mpirun, is no launcher.
        Assert.That(Find("SLURM_JOB_ID=7", "SLURM_NTASKS=4", "OMPI_MCA_btl=self", "OMPI_COMM_WORLD_SIZE="), Is.Null);
        Assert.That(Find(), Is.Null);
    }

    [Test]
    public void OpenMpi_WantsItsLibrary()
    {
        Launcher launcher = Find("OMPI_COMM_WORLD_SIZE=4", "PMIX_RANK=1", "PMI_SIZE=4")!;
        Assert.That((launcher.Kind, launcher.Ranks), Is.EqualTo(((MpiKind?)MpiKind.OpenMpi, (int?)4)));
        Assert.That(Asked(launcher, out string message), Is.EqualTo(OpenMpi));
        Assert.That(message, Is.EqualTo("started by Open MPI's launcher, and its library libmpi.so.40 is not installed: apt install openmpi-bin libopenmpi3"));
    }

    [Test]
    public void Mpich_WantsItsLibrary()
    {
        Launcher launcher = Find("PMI_SIZE=2", "PMI_RANK=1", "PMI_FD=6")!;
        Assert.That(Find("PMI_SIZE=2", "PMI_RANK=1", "MPI_LOCALNRANKS=2", "SLURM_JOB_ID=7"), Is.EqualTo(launcher), "within Slurm, started by mpiexec");
        Assert.That((launcher.Kind, launcher.Ranks), Is.EqualTo(((MpiKind?)MpiKind.Mpich, (int?)2)));
        Assert.That(Asked(launcher, out string message), Is.EqualTo(Mpich));
        Assert.That(message, Is.EqualTo("started by MPICH's launcher, and its library libmpich.so.12 is not installed: apt install mpich libmpich12"));
    }

    [TestCase("PMIX_RANK=0", "SLURM_STEP_NUM_TASKS=8", "SLURM_JOB_ID=7")]
    [TestCase("PMI_SIZE=8", "PMI_RANK=0", "SLURM_JOB_ID=7")]
    [TestCase("PMI_RANK=0", "SLURM_STEP_NUM_TASKS=8", "SLURM_JOB_ID=7")]
    public void Slurm_ServesBoth(params string[] environment)
    {
        Launcher launcher = Find(environment)!;
        Assert.That((launcher.Kind, launcher.Ranks), Is.EqualTo(((MpiKind?)null, (int?)8)));
        Assert.That(Asked(launcher, out string message), Is.EqualTo(environment[0].StartsWith("PMIX", StringComparison.Ordinal) ? OpenMpi.Concat(Mpich) : Mpich.Concat(OpenMpi)));
        Assert.That(message, Does.Contain("openmpi-bin libopenmpi3").And.Contains("mpich libmpich12"));
    }

    [Test]
    public void Slurm_WithoutPmi_IsRefused()
    {
        Assert.That(() => Launcher.RequireNoOthers(_ => null), Throws.Nothing);
        Assert.That(() => Launcher.RequireNoOthers(name => name == "SLURM_STEP_NUM_TASKS" ? "1" : null), Throws.Nothing);
        Assert.That(() => Launcher.RequireNoOthers(name => name == "SLURM_STEP_NUM_TASKS" ? "8" : null), Throws.InstanceOf<InputException>().With.Message.Contains("srun --mpi=pmix"));
    }

    [Test]
    public void Ranks_ThatAreNotToldAreNotGuessed() => Assert.That(Find("PMIX_RANK=3")!.Ranks, Is.Null);

    private static Launcher? Find(params string[] environment)
    {
        var variables = environment.ToDictionary(pair => pair.Split('=')[0], pair => pair.Split('=')[1]);
        return Launcher.Find(variables.GetValueOrDefault);
    }

    /// <summary>The files that are asked for where none is there, and what is said then.</summary>
    private static List<string> Asked(Launcher launcher, out string message)
    {
        List<string> files = [];
        InputException? exception = Assert.Throws<InputException>(() => Mpi.Find(launcher, (file, kind) =>
        {
            files.Add(file);
            Assert.That(kind, Is.Not.Null);
            return null;
        }));
        message = exception!.Message;
        return files;
    }
}
