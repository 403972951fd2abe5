using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class GradientNormTests(string engine) : OpTest(engine)
{
    private GradientNorm Op => GradientNorm.On(Engine);

    [Test]
    public void Compute_MatchesReference()
    {
        int[] lengths = IsFast ? [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1_000_003] : [0, 1, 33, 255, 257, 3001];
        foreach (int length in lengths)
            foreach (float maxNorm in IsFast || length == 33 ? [0.5f, 400, float.PositiveInfinity] : new[] { 0.5f })
                AssertMatches(Normal(length), maxNorm);
    }

    [Test]
    public void Compute_LargeAndSmallGradients_MatchReference()
    {
        AssertMatches(Normal(1000, 1e12), 400);
        AssertMatches(Normal(1000, 1e-12), 400);
        AssertMatches(new float[300], 400);
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    [TestCase(float.NegativeInfinity)]
    public void Compute_NotFinite_HasFactorZero(float bad)
    {
        foreach (int position in IsFast ? [0, 40, 299] : new[] { 40 })
        {
            float[] gradients = Normal(300);
            gradients[position] = bad;
            foreach (float maxNorm in new[] { 400, float.PositiveInfinity })
            {
                float[] clip = Compute(gradients, maxNorm);
                Assert.That(clip[0], float.IsNaN(bad) ? Is.NaN : Is.EqualTo(float.PositiveInfinity));
                Assert.That(clip[1], Is.Zero);
            }
        }
    }

    [Test]
    public void Compute_RepeatedRuns_AreBitEqual()
    {
        float[] gradients = Normal(IsFast ? 100_003 : 3001);
        Compare.BitEqual(Compute(gradients, 3), Compute(gradients, 3));
    }

    [Test]
    public void Compute_WrongArguments_AreRefused()
    {
        Tensor gradients = Input(new Shape(100)), clip = Output(new Shape(2));
        Workspace scratch = Scratch(Op.WorkspaceFor(100));
        AssertRefused(() => Op.Compute(gradients, 0, clip, scratch), "positive");
        AssertRefused(() => Op.Compute(gradients, 1, gradients, scratch), "clip is [100]", "expected [2]");
        AssertRefused(() => Op.Compute(gradients.Reshape(new Shape(10, 10)), 1, clip, scratch), "gradients is [10, 10]", "expected [100]");
        AssertRefused(() => Op.Compute(gradients, 1, gradients.Slice(64, new Shape(2)), scratch), "clip [2] overlaps gradients [100]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(gradients.Shape);
        AssertRefused(() => Op.Compute(elsewhere, 1, clip, scratch), "gradients [100]", Engine.Name);
        if (Op.WorkspaceFor(100) > 0)
            AssertRefused(() => Op.Compute(gradients, 1, clip, Scratch(0)), "workspace");
    }

    private void AssertMatches(float[] gradients, float maxNorm)
    {
        (double norm, double factor) = OptimiserReference.GradientNorm(gradients.ToDouble(), maxNorm);
        Compare.Close(Compute(gradients, maxNorm).ToDouble(), [norm, factor], Tolerances.Norm, $"norm and factor of {gradients.Length}, at most {maxNorm}");
    }

    private float[] Compute(float[] gradients, float maxNorm)
    {
        Tensor clip = Output(new Shape(2));
        Op.Compute(Input(new Shape(gradients.Length), gradients), maxNorm, clip, Scratch(Op.WorkspaceFor(gradients.Length)));
        float[] result = clip.ToArray();
        NextCase();
        return result;
    }
}
