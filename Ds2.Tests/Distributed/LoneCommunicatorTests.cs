using Ds2.Bench.Distributed;
using Ds2.Runtime;
using Ds2.Runtime.Distributed;

namespace Ds2.Tests.Distributed;

public sealed class LoneCommunicatorTests
{
    [Test]
    public void Calls_AreCopies()
    {
        using var alone = new LoneCommunicator();
        Assert.That((alone.Rank, alone.Ranks, alone.LocalRank), Is.EqualTo((0, 1, 0)));
        Assert.That(() => CallCheck.Run(alone), Throws.Nothing);
    }

    [Test]
    public void Lengths_ThatDoNotFitAreRefused()
    {
        using var alone = new LoneCommunicator();
        float[] three = new float[3];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => alone.AllToAll(three, [new Stretch(0, 2)], new float[3], [new Stretch(0, 3)]), Throws.ArgumentException, "it sends itself less than it receives");
            Assert.That(() => alone.AllToAll(three, [new Stretch(0, 3)], new float[2], [new Stretch(0, 3)]), Throws.ArgumentException, "behind the memory's end");
            Assert.That(() => alone.AllGather(three, [new Stretch(0, 1), new Stretch(1, 2)]), Throws.ArgumentException, "two ranks");
            Assert.That(() => alone.AllGather(three, [new Stretch(-1, 3)]), Throws.ArgumentException);
            Assert.That(() => alone.AllGather(three, [new Stretch(3, -3)]), Throws.ArgumentException);
            Assert.That(() => alone.AllGather(three, [new Stretch(int.MaxValue, 1)]), Throws.ArgumentException);
            Assert.That(() => alone.Broadcast(null, 0), Throws.ArgumentNullException);
            Assert.That(() => alone.Broadcast([], 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [TestCase("none")]
    [TestCase("auto")]
    public void Open_AloneLoadsNothing(string choice)
    {
        using ICommunicator communicator = Mpi.Open(choice, null);
        Assert.That(communicator, Is.InstanceOf<LoneCommunicator>());
        if (OperatingSystem.IsLinux())
            Assert.That(File.ReadAllText("/proc/self/maps"), Does.Not.Contain("libmpi"));
    }

    [TestCase("no-such-library.so", "no-such-library.so: cannot be loaded as an MPI library (apt install openmpi-bin libopenmpi3, or apt install mpich libmpich12)")]
    [TestCase("libc.so.6", "libc.so.6: is neither Open MPI's library nor MPICH's")]
    public void Open_FileThatIsNoLibraryIsSaid(string file, string message) =>
        Assert.That(() => Mpi.Open(file, null), Throws.InstanceOf<InputException>().With.Message.EqualTo(message));
}
