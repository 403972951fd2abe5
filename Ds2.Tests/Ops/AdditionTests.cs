using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Ops;

/// <summary>IEEE 754 says what a sum of two is to the last bit: the reference is the language's own addition.</summary>
public sealed class AdditionTests(string engine) : OpTest(engine)
{
    private Addition Op => Addition.On(Engine);

    private int[] Lengths => IsFast ? [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 65, 255, 257, 16385, 200_003] : [0, 1, 33, 257];

    [Test]
    public void Add_IsTheSumToTheBit_InPlaceToo()
    {
        foreach (int length in Lengths)
        {
            Tensor a = Input(new Shape(length)), b = Input(a.Shape, deviation: 1e-3), sum = Output(a.Shape);
            float[] expected = [.. a.ToArray().Zip(b.ToArray(), (x, y) => x + y)];
            Op.Add(a, b, sum);
            Compare.BitEqual(sum.ToArray(), expected);
            Tensor first = Accumulator(a.Shape, a.ToArray()), second = Accumulator(a.Shape, b.ToArray());
            Op.Add(first, b, first);
            Op.Add(a, second, second);
            Compare.BitEqual(first.ToArray(), expected);
            Compare.BitEqual(second.ToArray(), expected);
            NextCase();
        }
    }

    /// <summary>What is not finite in a micro-batch must reach the norm of the whole step.</summary>
    [Test]
    public void Add_NotFinite_StaysNotFinite()
    {
        Tensor a = Input(new Shape(5), [1, float.NaN, float.PositiveInfinity, float.PositiveInfinity, 3e38f], "a");
        Tensor b = Input(new Shape(5), [2, 1, float.NegativeInfinity, 1, 3e38f], "b"), sum = Output(a.Shape);
        Op.Add(a, b, sum);
        Assert.That(sum.ToArray(), Is.EqualTo(new[] { 3, float.NaN, float.NaN, float.PositiveInfinity, float.PositiveInfinity }));
    }

    [Test]
    public void Copy_IsTheSameBits()
    {
        foreach (int length in Lengths)
        {
            Tensor x = Input(new Shape(length)), copy = Output(x.Shape);
            Op.Copy(x, copy);
            Compare.BitEqual(copy.ToArray(), x.ToArray());
            NextCase();
        }
    }

    [Test]
    public void AddAndCopy_WrongArguments_AreRefused()
    {
        Tensor a = Input(new Shape(3)), b = Input(new Shape(3)), sum = Output(new Shape(3)), wide = Output(new Shape(4)), shared = Output(new Shape(128));
        AssertRefused(() => Op.Add(a, wide, sum), "b is [4]", "expected [3]");
        AssertRefused(() => Op.Add(a, b, wide), "sum is [4]", "expected [3]");
        AssertRefused(() => Op.Add(shared.Slice(0, new Shape(70)), shared.Slice(0, new Shape(70)), shared.Slice(32, new Shape(70))), "sum [70] overlaps a [70]");
        AssertRefused(() => Op.Copy(sum, sum), "copy [3] overlaps x [3]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(new Shape(3));
        AssertRefused(() => Op.Add(a, elsewhere, sum), "b [3]", Engine.Name);
    }
}
