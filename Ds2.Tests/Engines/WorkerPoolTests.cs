using System.Collections.Concurrent;
using System.Diagnostics;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Tests.Engines;

public sealed class WorkerPoolTests
{
    private const int Threads = 3;

    // Where others have the cores, each thread that is waited for takes a time slice.
    private static readonly TimeSpan LongestTest = TimeSpan.FromSeconds(5);

    [Test]
    public void For_CallsEachIndexOnce()
    {
        // Mostly so short that the workers come too late, or in the middle of the next call.
        using var pool = new WorkerPool(Threads);
        for (int repeat = 0; repeat < 2000; repeat++)
        {
            var calls = new int[repeat % 50];
            pool.For(calls.Length, index => Interlocked.Increment(ref calls[index]));
            Assert.That(calls, Is.All.EqualTo(1));
        }
    }

    /// <param name="parts">The parts that a thread does; 0 for other numbers as the work goes on.</param>
    [Test]
    public void Phases_CallEachPartOnce_AfterAllOfThePhaseBefore([Values(0, 1, 2, 4)] int parts)
    {
        const int Count = 60;
        using var pool = new WorkerPool(Threads);
        var phases = new int[Threads];
        var threads = new ConcurrentDictionary<int, bool>();
        pool.Width.Fix(Math.Max(1, parts));
        pool.Phases(Count, (part, phase) =>
        {
            if (parts == 0 && part == 0 && phase % 3 == 0)
                pool.Width.Fix(1 << phase / 3 % 3);
            if (phases[part]++ != phase || phases.Any(other => other < phase))
                throw new InvalidOperationException($"part {part} is at phase {phase}, all are at {string.Join(", ", phases)}");
            threads[Environment.CurrentManagedThreadId] = true;
        });
        Assert.That(phases, Is.All.EqualTo(Count));
        Assert.That(threads, Has.Count.EqualTo(parts switch { 2 => 2, 4 => 1, _ => Threads }));
    }

    [Test]
    public void For_OnFewerThreads_CallsEachIndexOnceFromThese()
    {
        using var pool = new WorkerPool(Threads);
        pool.Width.Fix(4);
        var calls = new int[1000];
        int caller = Environment.CurrentManagedThreadId, others = 0;
        pool.For(calls.Length, index =>
        {
            calls[index]++;
            others += Environment.CurrentManagedThreadId == caller ? 0 : 1;
        });
        Assert.That(calls, Is.All.EqualTo(1));
        Assert.That(others, Is.Zero);
    }

    [Test]
    public void Phases_Failure_IsThrownAndThePoolGoesOn([Values(1, 4)] int parts)
    {
        using var pool = new WorkerPool(Threads);
        pool.Width.Fix(parts);
        Assert.Throws<AggregateException>(() => pool.Phases(100, (part, phase) =>
        {
            if (part == 1 && phase == 57)
                throw new InvalidOperationException("57");
        }));
        int sum = 0;
        pool.Phases(10, (_, phase) => Interlocked.Add(ref sum, phase));
        Assert.That(sum, Is.EqualTo(45 * Threads));
    }

    /// <remarks>A worker that comes too late for one call must not miss the next, which waits for it: the suite once hung on this.</remarks>
    [Test]
    public void Phases_AfterWorkThatWasNotWaitedFor_ReachesEveryWorker()
    {
        const int Repeats = 1_000_000;
        using var pool = new WorkerPool(2);
        pool.Width.Fix(1);
        int calls = 0, repeat = 0;
        var clock = Stopwatch.StartNew();
        for (; repeat < Repeats && clock.Elapsed < LongestTest; repeat++)
        {
            pool.For(2, _ => { });
            pool.Phases(1, (_, _) => Interlocked.Increment(ref calls));
        }

        Assert.That(calls, Is.EqualTo(2 * repeat));
    }

    [Test]
    public void For_Failure_IsThrownAndThePoolGoesOn()
    {
        using var pool = new WorkerPool(Threads);
        Assert.Throws<AggregateException>(() => pool.For(100, index =>
        {
            if (index == 57)
                throw new InvalidOperationException("57");
        }));
        int sum = 0;
        pool.For(10, index => Interlocked.Add(ref sum, index));
        Assert.That(sum, Is.EqualTo(45));
    }

    /// <remarks>The inner call would take the outer one's shares: once, work was left out without a word.</remarks>
    [TestCase(1)]
    [TestCase(Threads)]
    public void ForAndPhases_FromInsideTheirWork_AreRefused(int threads)
    {
        using var pool = new WorkerPool(threads);
        int done = 0;
        foreach (Action inner in (Action[])[() => pool.For(8, _ => Interlocked.Increment(ref done)), () => pool.For(1, _ => Interlocked.Increment(ref done)), () => pool.Phases(1, (_, _) => { })])
        {
            AssertRefused(() => pool.For(8, _ => inner()));
            AssertRefused(() => pool.For(1, _ => inner()));
            AssertRefused(() => pool.Phases(1, (_, _) => inner()));
        }

        Assert.That(done, Is.Zero);
        pool.For(8, _ => Interlocked.Increment(ref done));
        Assert.That(done, Is.EqualTo(8));
    }

    private static void AssertRefused(Action call)
    {
        Exception? failure = Assert.Catch(call);
        Assert.That(failure!.GetBaseException(), Is.InstanceOf<InvalidOperationException>().With.Message.Contains("not from inside their work"));
    }
}
