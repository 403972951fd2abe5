using Ds2.Runtime.Training;
using Ds2.Tests.Training;

namespace Ds2.Tests.Distributed;

/// <summary>Training on several hosts that are network namespaces of this machine: a rank on each, and TCP between them. <c>data-scripts/cluster_namespaces.sh check</c> is the long form.</summary>
public sealed class HostsTests
{
    private const double LimitSeconds = 4;

    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    [Test]
    public void Train_OnTwoHosts_SameCheckpointAsOneProcess()
    {
        MpiJob.Result alone = MpiJob.RunProgram("mpirun.openmpi", 1, Program, Arguments("alone", 4));
        Assert.That(alone.Code, Is.Zero, alone.Output + alone.Error);
        MpiJob.Result hosts = MpiJob.RunOnHosts(2, [], Program, Arguments("hosts", 4));
        Assert.That(hosts.Code, Is.Zero, hosts.Output + hosts.Error);
        Assert.That(TrainingRuns.TensorsOf(Latest("hosts")), Is.EqualTo(TrainingRuns.TensorsOf(Latest("alone"))));
    }

    /// <summary>The script sees to it that nothing is left on the hosts.</summary>
    [Test]
    public void Train_LinkIsCut_EndsInOneLineAndLeavesTheCheckpoint()
    {
        string[] arguments = [.. Arguments("cut", 100000), "--exchange-timeout", $"{LimitSeconds}"];
        MpiJob.Result job = MpiJob.RunOnHosts(2, ["--cut-when", Latest("cut")], Program, arguments);
        Assert.That(job.Code, Is.Not.Zero, job.Output + job.Error);
        Assert.That(job.Lines, Has.Length.EqualTo(1), job.Output + job.Error);
        Assert.That(job.Lines[0], Does.Match($@"^ds2: rank 0 on ds2-\d+-1: waited {LimitSeconds}\.\d s for .*, longer than the time limit$"));
        TinyCorpus.AssertLoads(Latest("cut"));
    }

    private static string Program => typeof(Ds2.Train.Program).Assembly.Location;

    private string[] Arguments(string folder, int epochs) =>
        [.. corpus.TrainArguments(folder), "--threads", "1", "--loaders", "1", "--target-wer", "-1", "--epochs", $"{epochs}", "--set", "batch=1", "--set", "accumulate=2"];

    private string Latest(string folder) => new CheckpointPolicy(corpus.PathOf(folder), TimeSpan.Zero).Latest;
}
