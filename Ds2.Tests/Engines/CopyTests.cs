using Ds2.Kernels.Ops;

namespace Ds2.Tests.Engines;

/// <summary>Copies between host and engine, queued and beside the queue.</summary>
[TestFixtureSource(typeof(TestEngines), nameof(TestEngines.Names))]
public sealed class CopyTests(string engineName)
{
    private static readonly int[] Sizes = [1, 63, 4096, 1 << 17]; // the last is longer than what is staged for the queue

    private IEngine Engine => TestEngines.Get(engineName);

    [TestCaseSource(nameof(Sizes))]
    public void CopyFrom_TheSourceMayChangeAtOnce(int size)
    {
        using Tensor tensor = Engine.Allocate(new Shape(size));
        float[] source = Ramp(size, 1), expected = [.. source];
        tensor.CopyFrom(source);
        Array.Fill(source, -1);
        Assert.That(tensor.ToArray(), Is.EqualTo(expected));
    }

    /// <summary>What is queued after the copy does not show in it, and several wait together.</summary>
    [TestCaseSource(nameof(Sizes))]
    public void CopyToLater_HasTheValuesOfItsPlaceInTheQueue(int size)
    {
        using Tensor first = Engine.Allocate(new Shape(size)), second = Engine.Allocate(new Shape(size));
        var firstCopy = new float[size];
        var secondCopy = new float[size];
        first.CopyFrom(Ramp(size, 1));
        second.CopyFrom(Ramp(size, 2));
        first.CopyToLater(firstCopy);
        second.CopyToLater(secondCopy);
        first.Fill(-1);
        second.Fill(-1);
        Engine.Synchronize();
        Assert.That(firstCopy, Is.EqualTo(Ramp(size, 1)));
        Assert.That(secondCopy, Is.EqualTo(Ramp(size, 2)));
    }

    /// <summary>New memory, whose zeroing may still be queued, and memory in use again; the second copy follows on the first.</summary>
    [TestCaseSource(nameof(Sizes))]
    public void Prefetch_HasArrivedAfterAwait(int size)
    {
        using Tensor first = Engine.Allocate(new Shape(size)), second = Engine.Allocate(new Shape(size));
        for (int round = 0; round < 3; round++)
        {
            float[] source = Ramp(size, round);
            first.Prefetch(source);
            Array.Fill(source, -1);
            second.Prefetch(Ramp(size, round + 7));
            Engine.AwaitPrefetch();
            Assert.That(first.ToArray(), Is.EqualTo(Ramp(size, round)));
            Assert.That(second.ToArray(), Is.EqualTo(Ramp(size, round + 7)));
        }
    }

    [Test]
    public void Copies_OfAnotherLength_AreRefused()
    {
        using Tensor tensor = Engine.Allocate(new Shape(2, 3));
        Assert.That(() => tensor.CopyFrom(new float[5]), Throws.ArgumentException.With.Message.Contains("[2, 3]").And.Message.Contains("5"));
        Assert.That(() => tensor.Prefetch(new float[7]), Throws.ArgumentException);
        Assert.That(() => tensor.CopyToLater(new float[5]), Throws.ArgumentException);
    }

    /// <summary>What is queued after the copy does not show in it; waits may come in any order and from any thread.</summary>
    [TestCaseSource(nameof(Sizes))]
    public void HostCopies_CopiesToTheHost_WhatOpsSoFarHaveLeft(int size)
    {
        using Tensor first = Engine.Allocate(new Shape(size)), second = Engine.Allocate(new Shape(size)), copyOfFirst = Engine.Allocate(new Shape(size));
        using IHostCopies copies = Engine.NewHostCopies();
        Memory<float> host = copies.AllocateHost(2 * size);
        for (int round = 0; round < 3; round++)
        {
            first.CopyFrom(Ramp(size, round));
            Action firstIsThere = copies.CopyToHost(first, host[..size]);
            second.Fill(round);
            Action secondIsThere = copies.CopyToHost(second, host[size..]);
            copyOfFirst.CopyFrom(Ramp(size, -1));
            Task.Run(secondIsThere).GetAwaiter().GetResult();
            Assert.That(host[size..].ToArray(), Is.EqualTo(Enumerable.Repeat((float)round, size)));
            firstIsThere();
            Assert.That(host[..size].ToArray(), Is.EqualTo(Ramp(size, round)));
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void HostCopies_CopiesToTheDevice_BeforeOpsThatAreCalledLater(int size)
    {
        using Tensor first = Engine.Allocate(new Shape(size + 64)), second = Engine.Allocate(new Shape(size));
        Engine.Synchronize();
        using IHostCopies copies = Engine.NewHostCopies();
        Memory<float> host = copies.AllocateHost(2 * size);
        Ramp(2 * size, 1).CopyTo(host.Span);
        int writes = first.HostWrites;
        copies.CopyToDevice(host[..size], first.Slice(64, new Shape(size)));
        copies.CopyToDevice(host[size..], second);
        Addition.On(Engine).Add(second, first.Slice(64, new Shape(size)), second);
        Assert.That(second.ToArray(), Is.EqualTo(Ramp(size, 1).Zip(Ramp(size, 1 + size), (x, y) => x + y)));
        Assert.That(first.ToArray()[..64], Is.All.Zero);
        Assert.That(first.HostWrites, Is.GreaterThan(writes), "whoever keeps what it has made of the tensor must see that it is another one");
    }

    [Test]
    public void HostCopies_OfAnotherLength_IsRefused()
    {
        using Tensor tensor = Engine.Allocate(new Shape(2, 3));
        using IHostCopies copies = Engine.NewHostCopies();
        Memory<float> host = copies.AllocateHost(7);
        Assert.That(() => copies.CopyToHost(tensor, host), Throws.ArgumentException.With.Message.Contains("[2, 3]").And.Message.Contains("7"));
        Assert.That(() => copies.CopyToDevice(host[..5], tensor), Throws.ArgumentException.With.Message.Contains("[2, 3]").And.Message.Contains("5"));
    }

    private static float[] Ramp(int size, float start) => [.. Enumerable.Range(0, size).Select(i => start + i)];
}
