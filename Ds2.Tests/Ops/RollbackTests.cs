using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Ops;

public sealed class RollbackTests(string engine) : OpTest(engine)
{
    private static readonly int[] Lengths = [0, 1, 33, 256, 257];

    private Rollback Op => Rollback.On(Engine);

    [Test]
    public void Apply_FactorZero_TakesEverythingBack()
    {
        foreach (int length in Lengths)
        {
            float[] before = Normal(length);
            Tensor values = Accumulator(new Shape(length), before), kept = Output(new Shape(length));
            Op.Keep(values, kept);
            Compare.BitEqual(kept.ToArray(), before);
            float[] moved = Normal(length);
            values.CopyFrom(moved);
            Op.Apply(Input(new Shape(2), [1, 0.5f], "clip"), kept, values);
            Compare.BitEqual(values.ToArray(), moved);
            Op.Apply(Input(new Shape(2), [float.NaN, 0], "clip"), kept, values);
            Compare.BitEqual(values.ToArray(), before);
            NextCase();
        }
    }

    /// <summary>A variance may overflow while the gradient is finite.</summary>
    [Test]
    public void Apply_ValueNotFinite_IsTakenBackAlone()
    {
        Tensor values = Accumulator(new Shape(5), [1, float.NaN, float.PositiveInfinity, 4, float.NegativeInfinity], "values");
        Tensor kept = Input(new Shape(5), [10, 20, 30, 40, 50], "kept");
        Op.Apply(Input(new Shape(2), [1, 1], "clip"), kept, values);
        Compare.BitEqual(values.ToArray(), [1, 20, 30, 4, 50]);
    }

    [Test]
    public void KeepAndApply_WrongArguments_AreRefused()
    {
        Tensor values = Output(new Shape(3)), wide = Output(new Shape(4)), clip = Output(new Shape(2));
        AssertRefused(() => Op.Keep(values, wide), "kept is [4]", "expected [3]");
        AssertRefused(() => Op.Apply(values, values, wide), "clip is [3]", "expected [2]");
        AssertRefused(() => Op.Apply(clip, values, values), "kept [3] overlaps values [3]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(new Shape(3));
        AssertRefused(() => Op.Keep(values, elsewhere), "kept [3]", Engine.Name);
    }
}
