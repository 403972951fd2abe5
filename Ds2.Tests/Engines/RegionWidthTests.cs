using Ds2.Kernels.Engines.Host;

namespace Ds2.Tests.Engines;

/// <summary>How many threads work, by frames' times that are made up.</summary>
public sealed class RegionWidthTests
{
    // A frame of 256 units, and a core that another process has for a time slice, once in so many frames: two thirds of the time.
    private const double Frame = 50e-6;
    private const double Slice = 3e-3;
    private const int FramesASlice = 30;

    [TestCase(2, new[] { 1 })]
    [TestCase(3, new[] { 2, 1 })]
    [TestCase(8, new[] { 4, 2, 1 })]
    [TestCase(12, new[] { 6, 3, 2, 1 })]
    public void Add_CoresTaken_HalvesTheThreadsStepByStep(int all, int[] expected)
    {
        var width = new RegionWidth(all);
        List<int> seen = [all];
        for (int frame = 1; width.Threads > 1; frame++)
        {
            width.Add(Time(frame, isTaken: true));
            if (width.Threads != seen[^1])
                seen.Add(width.Threads);
            Assert.That(frame, Is.LessThan(10_000));
        }

        Assert.That(seen[1..], Is.EqualTo(expected));
    }

    [Test]
    public void Add_CoresFree_KeepsAllThreads()
    {
        var width = new RegionWidth(2);
        var random = new Random(1);
        for (int frame = 0; frame < 200_000; frame++)
        {
            if (frame % 300 == 0)
                width.Enter();

            // Half as long towards the end of each batch, with noise; layers of one model and of another forty times as large in turns; a garbage collection now and then.
            double time = Frame * (1 - frame % 300 / 600.0) * (1 + 0.3 * random.NextDouble()) * (frame / 300 % 2 == 0 ? 1 : 40);
            width.Add(frame % 20_000 == 19_999 ? time + 8e-3 : time);
            Assert.That(width.Threads, Is.EqualTo(2), $"frame {frame}");
        }
    }

    /// <remarks>A batch or a piece of a stream begins with a thread that has to be woken.</remarks>
    [Test]
    public void Add_ShortRegions_KeepAllThreads()
    {
        var width = new RegionWidth(2);
        for (int frame = 0; frame < 20_000; frame++)
        {
            if (frame % 5 == 0)
                width.Enter();
            width.Add(frame % 5 == 0 ? 250e-6 : 10e-6);
        }

        Assert.That(width.Threads, Is.EqualTo(2));
    }

    /// <remarks>A frame of the largest model and a time slice are about the same length: hardly a frame passes undisturbed.</remarks>
    [Test]
    public void Add_CoresTaken_LongFrames_TakesFewerThreads()
    {
        var width = new RegionWidth(2);
        for (int frame = 0; width.Threads == 2; frame++)
        {
            width.Add(frame % 7 == 3 ? 2.5e-3 : 5.5e-3);
            Assert.That(frame, Is.LessThan(100));
        }
    }

    [Test]
    public void Add_CoresFreeAgain_TakesAllThreadsWithinSeconds()
    {
        var width = new RegionWidth(8);
        Work(width, seconds: 30, taken: _ => true);
        (double few, double all) = Work(width, seconds: 10, taken: _ => false);
        Assert.That(width.Threads, Is.EqualTo(8));
        Assert.That(few, Is.LessThan(4));
        Assert.That(all, Is.GreaterThan(6));
    }

    [Test]
    public void Add_CoresStayTaken_TriesSeldom()
    {
        var width = new RegionWidth(2);
        Work(width, seconds: 5, taken: threads => threads == 2);
        (_, double all) = Work(width, seconds: 100, taken: threads => threads == 2);
        Assert.That(all, Is.InRange(0.1, 2), "seconds of trials");
    }

    /// <remarks>Half the cores are free: half the threads work on.</remarks>
    [Test]
    public void Add_SomeCoresTaken_SettlesAtTheThreadsThatHaveCores()
    {
        var width = new RegionWidth(8);
        Work(width, seconds: 5, taken: threads => threads > 4);
        for (int frame = 0; frame < 100_000; frame++)
        {
            width.Add(Time(frame, isTaken: width.Threads > 4));
            Assert.That(width.Threads, Is.AnyOf(8, 4));
        }
    }

    [Test]
    public void Fix_HoldsWhateverTheTimesSay_UntilReleased()
    {
        var width = new RegionWidth(4);
        width.Fix(2);
        Work(width, seconds: 5, taken: _ => true);
        Assert.That(width.Threads, Is.EqualTo(2));
        width.Fix(null);
        Assert.That(width.Threads, Is.EqualTo(4));
    }

    private static double Time(int frame, bool isTaken) => isTaken && frame % FramesASlice == 0 ? Frame + Slice : Frame;

    // Seconds with fewer threads and with all.
    private static (double Few, double All) Work(RegionWidth width, double seconds, Func<int, bool> taken)
    {
        int most = width.Threads;
        double few = 0, all = 0;
        for (int frame = 0; few + all < seconds; frame++)
        {
            most = Math.Max(most, width.Threads);
            double time = Time(frame, taken(width.Threads));
            _ = width.Threads < most ? few += time : all += time;
            width.Add(time);
        }

        return (few, all);
    }
}
