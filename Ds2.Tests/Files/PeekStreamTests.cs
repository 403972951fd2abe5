using Ds2.Runtime;
using Ds2.Runtime.Files;

namespace Ds2.Tests.Files;

public sealed class PeekStreamTests
{
    [TestCase(0)]
    [TestCase(3)]
    [TestCase(5)]
    public void Read_AfterPeek_GivesEverythingOnce(int size)
    {
        byte[] content = [.. Enumerable.Range(1, size).Select(i => (byte)i)];
        var work = new Counter();
        using var stream = new PeekStream(new MemoryStream(content)) { Work = work };
        Assert.That(stream.Total, Is.EqualTo(size));
        Assert.That(stream.Peek(2).ToArray(), Is.EqualTo(content.Take(2)));
        Assert.That(stream.Peek(4).ToArray(), Is.EqualTo(content.Take(4)));
        Assert.That(stream.Peek(1).ToArray(), Is.EqualTo(content.Take(1)));
        Assert.That(work.Done, Is.Zero, "nothing was read yet");
        using var copy = new MemoryStream();
        stream.CopyTo(copy, 3);
        Assert.That(copy.ToArray(), Is.EqualTo(content));
        Assert.That(work.Done, Is.EqualTo(size));
    }

    private sealed class Counter : IWorkItem
    {
        public long Done { get; private set; }

        public void Advance(long amount, bool worked = true) => Done += amount;

        public void Dispose()
        {
        }
    }
}
