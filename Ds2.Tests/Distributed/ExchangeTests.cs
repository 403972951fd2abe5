using System.Text.Json.Nodes;

namespace Ds2.Tests.Distributed;

/// <summary>Several processes under a launcher: what they exchange, and what becomes of a job in which one fails.</summary>
[TestFixture("mpirun.openmpi", "Open MPI")]
[TestFixture("mpirun.mpich", "MPICH")]
public sealed class ExchangeTests(string launcher, string library)
{
    private const double LimitSeconds = 3;

    [TestCase(2, "0.3")]
    [TestCase(4, "1")]
    public void Exchange_IsExact(int ranks, string piece)
    {
        MpiJob.Result job = MpiJob.Run(launcher, ranks, "--megabytes", "4", "--rounds", "2", "--piece", piece, "--json");
        Assert.That(job.Code, Is.Zero, job.Output + job.Error);
        JsonNode figures = JsonNode.Parse(job.Output)!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string?)figures["library"], Is.EqualTo(library));
            Assert.That((int)figures["ranks"]!, Is.EqualTo(ranks));
            Assert.That((double)figures["megabytes"]!, Is.EqualTo(4));
            Assert.That(figures["seconds"]!.AsArray(), Has.Count.EqualTo(2));
            Assert.That((double)figures["ratio"]!, Is.Positive);
        }
    }

    /// <summary>A library must not take .NET's signals away, of which it makes exceptions.</summary>
    [Test]
    public void NullReference_IsStillAnException()
    {
        MpiJob.Result job = MpiJob.Run(launcher, 2, "--megabytes", "1", "--rounds", "1", "--fault", "NullReference");
        Assert.That(job.Code, Is.Zero, job.Output + job.Error);
        Assert.That(job.Output, Does.Contain("caught"));
    }

    /// <summary>The others wait for a time limit that this test does not have.</summary>
    [TestCase("Abort", 7)]
    [TestCase("Kill", null)]
    public void RankThatEnds_EndsTheJob(string fault, int? code)
    {
        MpiJob.Result job = MpiJob.Run(launcher, 4, "--megabytes", "1", "--rounds", "1", "--timeout", "3600", "--fault", fault);
        Assert.That(job.Code, code is null ? Is.Not.Zero : Is.EqualTo(code), job.Output + job.Error);
    }

    [Test]
    public void RankThatStalls_IsSaidInOneLine()
    {
        MpiJob.Result job = MpiJob.Run(launcher, 2, "--megabytes", "1", "--rounds", "1", "--timeout", $"{LimitSeconds}", "--fault", "Stall");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(job.Code, Is.Not.Zero);
            Assert.That(job.Lines, Has.Length.EqualTo(1), job.Output + job.Error);
            Assert.That(job.Lines, Has.All.Match($@"^ds2: rank 0 on \S+: waited {LimitSeconds}\.\d s for all ranks, longer than the time limit$"));
        }
    }

    [Test]
    public void LibraryOfAnotherKind_IsSaid()
    {
        (string other, string expected) = launcher == "mpirun.openmpi"
            ? ("libmpich.so.12", "libmpich.so.12: is MPICH's, and the launcher is Open MPI's, whose library is libmpi.so.40: apt install openmpi-bin libopenmpi3")
            : ("libmpi.so.40", "libmpi.so.40: is Open MPI's, and the launcher is MPICH's, whose library is libmpich.so.12: apt install mpich libmpich12");
        MpiJob.Result job = MpiJob.Run(launcher, 1, "--mpi", other);
        if (job.Lines is [string line] && line.Contains("cannot be loaded", StringComparison.Ordinal))
            Assert.Ignore($"needs the other library: {line}");
        Assert.That(job.Code, Is.EqualTo(2));
        Assert.That(job.Lines, Is.EqualTo(new[] { "ds2: " + expected }));
    }
}
