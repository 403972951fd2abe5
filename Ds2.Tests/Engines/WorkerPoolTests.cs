using Ds2.Kernels.Engines.Host;

namespace Ds2.Tests.Engines;

public sealed class WorkerPoolTests
{
    private const int Threads = 3;

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

    [Test]
    public void Run_CallsEveryWorkerOnce_AndBarriersHold()
    {
        using var pool = new WorkerPool(Threads);
        var steps = new int[Threads];
        pool.Run(worker =>
        {
            for (int step = 1; step <= 100; step++)
            {
                steps[worker]++;
                pool.Barrier();
                if (steps.Any(other => other < step))
                    throw new InvalidOperationException($"a worker passed barrier {step} alone");
                pool.Barrier();
            }
        });
        Assert.That(steps, Is.All.EqualTo(100));
    }

    /// <remarks>A worker that comes too late for one call must not miss the next, which waits for it: the suite once hung on this.</remarks>
    [Test]
    public void Run_AfterWorkThatWasNotWaitedFor_ReachesEveryWorker()
    {
        const int Repeats = 1_000_000;
        using var pool = new WorkerPool(2);
        int calls = 0;
        for (int repeat = 0; repeat < Repeats; repeat++)
        {
            pool.For(2, _ => { });
            pool.Run(_ => Interlocked.Increment(ref calls));
        }

        Assert.That(calls, Is.EqualTo(2 * Repeats));
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
    public void ForAndRun_FromInsideTheirWork_AreRefused(int threads)
    {
        using var pool = new WorkerPool(threads);
        int done = 0;
        foreach (Action inner in (Action[])[() => pool.For(8, _ => Interlocked.Increment(ref done)), () => pool.For(1, _ => Interlocked.Increment(ref done)), () => pool.Run(_ => { })])
        {
            AssertRefused(() => pool.For(8, _ => inner()));
            AssertRefused(() => pool.For(1, _ => inner()));
            AssertRefused(() => pool.Run(_ => inner()));
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
