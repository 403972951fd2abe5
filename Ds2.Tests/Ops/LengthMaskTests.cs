using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class LengthMaskTests(string engine) : OpTest(engine)
{
    private LengthMask Op => LengthMask.On(Engine);

    [Test]
    public void Apply_MatchesReference()
    {
        int[] frames = IsFast ? [0, 1, 7, 8, 9, 31, 32, 33, 255, 257] : [0, 1, 9, 33];
        foreach (int t in frames)
        {
            var shape = new Shape(4, 2, 3, t);
            float[] contents = Normal(shape.Length);
            int[] lengths = [t, 0, t / 2, Math.Max(0, t - 1)];
            Tensor x = Accumulator(shape, contents);
            Op.Apply(x, IntInput(new Shape(4), lengths));
            Compare.Close(x, PointwiseReference.LengthMask(contents.ToDouble(), shape, lengths), Tolerances.Exact);
            NextCase();
        }
    }

    [Test]
    public void Apply_NaNInThePadding_IsGone()
    {
        var shape = new Shape(2, 1, 2, 5);
        float[] contents = Normal(shape.Length);
        contents[4] = float.NaN; // utterance 0, frame 4
        contents[13] = float.PositiveInfinity; // utterance 1, frame 3
        Tensor x = Accumulator(shape, contents);
        Op.Apply(x, IntInput(new Shape(2), [4, 3], "lengths"));
        Assert.That(x.ToArray(), Has.All.Matches<float>(float.IsFinite));
    }

    [Test]
    public void Apply_WrongArguments_AreRefused()
    {
        Tensor x = Output(new Shape(2, 1, 2, 5));
        IntTensor lengths = IntInput(new Shape(2), [1, 2], "lengths"), tooMany = IntInput(new Shape(3), [1, 2, 3], "lengths");
        AssertRefused(() => Op.Apply(x, tooMany), "lengths is [3]", "expected [2]");
        AssertRefused(() => Op.Apply(x.Reshape(new Shape(20)), lengths), "[20]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(x.Shape);
        AssertRefused(() => Op.Apply(elsewhere, lengths), "x [2, 1, 2, 5]", Engine.Name);
    }
}
