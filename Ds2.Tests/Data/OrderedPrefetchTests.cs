using System.Collections.Concurrent;
using Ds2.Runtime.Data.Batching;

namespace Ds2.Tests.Data;

public sealed class OrderedPrefetchTests
{
    [Test]
    public void Take_IsInOrder_AndNeverMoreThanTheCapacityAhead()
    {
        int taken = 0, furthest = 0;
        using var prefetch = new OrderedPrefetch<string>(3, 60, workers: 4, capacity: 5, (i, _) =>
        {
            InterlockedMax(ref furthest, i - 3 - Volatile.Read(ref taken));
            Thread.Sleep(i % 3);
            return i.ToString();
        });
        for (int i = 3; i < 60; i++)
        {
            Assert.That(prefetch.Take(), Is.EqualTo(i.ToString()));
            Interlocked.Increment(ref taken);
        }
        Assert.That(prefetch.Take(), Is.Null);
        // The item being handed over may already be replaced before the count above is raised.
        Assert.That(furthest, Is.LessThanOrEqualTo(5));
    }

    [Test]
    public void Dispose_EndsEveryThread_AlsoOnesAtWork()
    {
        var threads = new ConcurrentDictionary<Thread, bool>();
        var prefetch = new OrderedPrefetch<string>(0, 1000, workers: 3, capacity: 4, (i, stop) =>
        {
            threads[Thread.CurrentThread] = true;
            if (i > 0)
                stop.WaitHandle.WaitOne();
            return "";
        });
        Assert.That(prefetch.Take(), Is.Empty);
        SpinWait.SpinUntil(() => threads.Count == 3, 10_000);
        prefetch.Dispose();
        Assert.That(threads.Keys.Where(thread => thread.IsAlive), Is.Empty);
        Assert.That(threads, Has.Count.EqualTo(3));
    }

    [Test]
    public void Take_WhatTheMakerThrew_ComesInItsPlace()
    {
        using var prefetch = new OrderedPrefetch<string>(0, 3, 2, 2, (i, _) => i == 1 ? throw new TimeoutException("one") : i.ToString());
        Assert.That(prefetch.Take(), Is.EqualTo("0"));
        Assert.That(prefetch.Take, Throws.TypeOf<TimeoutException>().With.Message.EqualTo("one"));
        Assert.That(prefetch.Take(), Is.EqualTo("2"));
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (int seen = target; value > seen;)
        {
            int before = Interlocked.CompareExchange(ref target, value, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }
}
