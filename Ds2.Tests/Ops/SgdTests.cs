using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class SgdTests(string engine) : OpTest(engine)
{
    private static readonly SgdOptions[] AllOptions =
    [
        new(LearningRate: 0.1f),
        new(LearningRate: 0.1f, Momentum: 0.9f),
        new(LearningRate: 0.1f, Momentum: 0.9f, WeightDecay: 0.05f),
        new(LearningRate: 0.1f, Momentum: 0.9f, WeightDecay: 0.05f, Nesterov: true),
        new(LearningRate: 0),
    ];

    private Sgd Op => Sgd.On(Engine);

    [TestCaseSource(nameof(AllOptions))]
    public void Step_ManySteps_MatchReference(SgdOptions options)
    {
        const int steps = 5;
        foreach (int length in IsFast ? [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 255, 256, 257, 70_001] : new[] { 0, 33, 257 })
        {
            Tensor parameters = Accumulator(new Shape(length), Normal(length), "parameters");
            Tensor velocity = Accumulator(new Shape(length), new float[length], "velocity");
            double[] parametersExpected = parameters.ToDouble(), velocityExpected = velocity.ToDouble();
            for (int step = 0; step < steps; step++)
            {
                Tensor gradients = Input(new Shape(length)), clip = Input(new Shape(2), [10, step == 2 ? 0.25f : 1], "clip");
                Op.Step(options, clip, gradients, parameters, velocity);
                OptimiserReference.Sgd(options, clip.ToArray()[1], gradients.ToDouble(), parametersExpected, velocityExpected);
            }

            Compare.Close(parameters, parametersExpected, Tolerances.Optimiser(steps));
            Compare.Close(velocity, velocityExpected, Tolerances.Optimiser(steps));
            NextCase();
        }
    }

    [Test]
    public void Step_FactorZero_LeavesAllAsItIs()
    {
        const int length = 37;
        float[] parametersBefore = Normal(length), velocityBefore = Normal(length), gradients = Normal(length);
        gradients[5] = float.NaN;
        gradients[6] = float.PositiveInfinity;
        Tensor parameters = Accumulator(new Shape(length), parametersBefore), velocity = Accumulator(new Shape(length), velocityBefore);
        Op.Step(AllOptions[3], Input(new Shape(2), [float.NaN, 0], "clip"), Input(new Shape(length), gradients), parameters, velocity);
        Compare.BitEqual(parameters.ToArray(), parametersBefore);
        Compare.BitEqual(velocity.ToArray(), velocityBefore);
    }

    [Test]
    public void Step_RepeatedRuns_AreBitEqual()
    {
        const int length = 257;
        float[] start = Normal(length), gradients = Normal(length);
        float[] Run()
        {
            Tensor parameters = Accumulator(new Shape(length), start), velocity = Accumulator(new Shape(length), start);
            Op.Step(AllOptions[3], Input(new Shape(2), [2, 0.5f], "clip"), Input(new Shape(length), gradients), parameters, velocity);
            return [.. parameters.ToArray(), .. velocity.ToArray()];
        }

        Compare.BitEqual(Run(), Run());
    }

    [Test]
    public void Step_WrongArguments_AreRefused()
    {
        SgdOptions options = AllOptions[0];
        var shape = new Shape(5);
        Tensor clip = Input(new Shape(2)), gradients = Input(shape), parameters = Output(shape), velocity = Output(shape), shared = Output(new Shape(128));
        AssertRefused(() => Op.Step(options, clip, gradients, parameters, shared), "velocity is [128]", "expected [5]");
        AssertRefused(() => Op.Step(options, gradients, gradients, parameters, velocity), "clip is [5]", "expected [2]");
        AssertRefused(() => Op.Step(options, clip, gradients, parameters, parameters), "velocity [5] overlaps parameters [5]");
        AssertRefused(() => Op.Step(options, clip, shared.Slice(0, shape), shared.Slice(4, shape), velocity), "parameters [5] overlaps gradients [5]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape);
        AssertRefused(() => Op.Step(options, clip, elsewhere, parameters, velocity), "gradients [5]", Engine.Name);
    }
}
