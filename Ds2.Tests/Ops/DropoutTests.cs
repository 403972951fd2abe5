using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Ops;

public sealed class DropoutTests(string engine) : OpTest(engine)
{
    private Dropout Op => Dropout.On(Engine);

    private int[] Lengths => IsFast ? [0, 1, 7, 31, 33, 16383, 16384, 16385, 50_003] : [0, 1, 7, 33, 257];

    /// <summary>The mask is written out here once more, in 64 bits: an engine's own arithmetic must not decide about it.</summary>
    [Test]
    public void Apply_DropsByTheHash_AndScalesTheRest()
    {
        foreach (int length in Lengths)
        {
            Tensor x = Input(new Shape(length)), y = Output(x.Shape);
            Op.Apply(x, 0.25f, 77, y);
            float[] from = x.ToArray();
            Assert.That(y.ToArray(), Is.EqualTo(from.Select((value, i) => Mix((Mix((ulong)i) + 77) % Two32) < Two32 / 4 ? 0 : value * (1 / 0.75f))), $"{length}");
            NextCase();
        }
    }

    [Test]
    public void Apply_DropsTheShare_OthersForAnotherKey_AndTheSameAgain()
    {
        const int Length = 4096;
        float[] ones = [.. Enumerable.Repeat(1f, Length)];
        Tensor x = Input(new Shape(Length), ones), y = Output(x.Shape), other = Output(x.Shape), again = Accumulator(x.Shape, ones);
        Op.Apply(x, 0.1f, 5, y);
        Op.Apply(x, 0.1f, 6, other);
        Op.Apply(again, 0.1f, 5, again);
        bool[] dropped = [.. y.ToArray().Select(value => value == 0)], droppedByOther = [.. other.ToArray().Select(value => value == 0)];
        int both = dropped.Zip(droppedByOther, (a, b) => a && b).Count(both => both);
        Assert.Multiple(() =>
        {
            // Binomial: 410 and 41 with deviations of 19 and 6; five of these either way.
            Assert.That(dropped.Count(is0 => is0), Is.InRange(314, 506));
            Assert.That(both, Is.InRange(9, 73), "two keys' masks have nothing to do with each other");
            Assert.That(again.ToArray(), Is.EqualTo(y.ToArray()), "in place");
        });
    }

    [Test]
    public void Apply_OfNoShare_IsACopy()
    {
        Tensor x = Input(new Shape(3, 5)), y = Output(x.Shape);
        Op.Apply(x, 0, 1, y);
        Assert.That(y.ToArray(), Is.EqualTo(x.ToArray()));
    }

    [Test]
    public void Apply_WrongArguments_AreRefused()
    {
        Tensor x = Input(new Shape(2, 3)), y = Output(x.Shape), other = Output(new Shape(3, 2)), shared = Output(new Shape(128));
        AssertRefused(() => Op.Apply(x, 0.5f, 1, other), "y is [3, 2]", "expected [2, 3]");
        AssertRefused(() => Op.Apply(x, 1, 1, y), "share");
        AssertRefused(() => Op.Apply(x, float.NaN, 1, y), "share");
        AssertRefused(() => Op.Apply(shared.Slice(0, new Shape(70)), 0.5f, 1, shared.Slice(32, new Shape(70))), "y [70] overlaps x [70]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(x.Shape);
        AssertRefused(() => Op.Apply(elsewhere, 0.5f, 1, y), "x [2, 3]", Engine.Name);
    }

    private const ulong Two32 = 1UL << 32;

    private static ulong Mix(ulong x)
    {
        x = (x ^ x / 65536) * 0x7FEB352D % Two32;
        x = (x ^ x / 32768) * 0x846CA68B % Two32;
        return x ^ x / 65536;
    }
}
