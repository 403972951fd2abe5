using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class AdamWTests(string engine) : OpTest(engine)
{
    private static readonly AdamWOptions[] AllOptions =
    [
        new(LearningRate: 0.01f),
        new(LearningRate: 0.01f, Beta1: 0.8f, Beta2: 0.95f, Epsilon: 1e-3f, WeightDecay: 0.1f),
        new(LearningRate: 0.01f, Beta1: 0, WeightDecay: 0.1f),
    ];

    private AdamW Op => AdamW.On(Engine);

    [TestCaseSource(nameof(AllOptions))]
    public void Step_ManySteps_MatchReference(AdamWOptions options)
    {
        const int steps = 5;
        foreach (int length in IsFast ? [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 255, 256, 257, 70_001] : new[] { 0, 33, 257 })
        {
            var shape = new Shape(length);
            Tensor parameters = Accumulator(shape, Normal(length), "parameters");
            Tensor first = Accumulator(shape, new float[length], "first"), second = Accumulator(shape, new float[length], "second");
            double[] parametersExpected = parameters.ToDouble(), firstExpected = new double[length], secondExpected = new double[length];
            for (int step = 1; step <= steps; step++)
            {
                Tensor gradients = Input(shape), clip = Input(new Shape(2), [10, step == 2 ? 0.25f : 1], "clip");
                Op.Step(options, step, clip, gradients, parameters, first, second);
                OptimiserReference.AdamW(options, step, clip.ToArray()[1], gradients.ToDouble(), parametersExpected, firstExpected, secondExpected);
            }

            Compare.Close(parameters, parametersExpected, Tolerances.Optimiser(steps));
            Compare.Close(first, firstExpected, Tolerances.Optimiser(steps));
            Compare.Close(second, secondExpected, Tolerances.Optimiser(steps));
            NextCase();
        }
    }

    [Test]
    public void Step_LateStep_MatchesReference()
    {
        // Far into training the bias corrections are 1.
        const int length = 33, step = 1_000_000;
        var shape = new Shape(length);
        float[] start = Normal(length), firstStart = Normal(length, 0.1), secondStart = Array.ConvertAll(Normal(length, 0.1), v => v * v);
        Tensor parameters = Accumulator(shape, start), first = Accumulator(shape, firstStart), second = Accumulator(shape, secondStart);
        Tensor gradients = Input(shape, deviation: 0.1);
        double[] parametersExpected = start.ToDouble();
        Op.Step(AllOptions[0], step, Input(new Shape(2), [1, 1], "clip"), gradients, parameters, first, second);
        OptimiserReference.AdamW(AllOptions[0], step, 1, gradients.ToDouble(), parametersExpected, firstStart.ToDouble(), secondStart.ToDouble());
        Compare.Close(parameters, parametersExpected, Tolerances.Optimiser(1));
    }

    [Test]
    public void Step_FactorZero_LeavesAllAsItIs()
    {
        const int length = 37;
        var shape = new Shape(length);
        float[] before = Normal(length), firstBefore = Normal(length), secondBefore = Array.ConvertAll(Normal(length), Math.Abs), gradients = Normal(length);
        gradients[5] = float.NaN;
        gradients[6] = float.PositiveInfinity;
        Tensor parameters = Accumulator(shape, before), first = Accumulator(shape, firstBefore), second = Accumulator(shape, secondBefore);
        Op.Step(AllOptions[1], 3, Input(new Shape(2), [float.NaN, 0], "clip"), Input(shape, gradients), parameters, first, second);
        Compare.BitEqual(parameters.ToArray(), before);
        Compare.BitEqual(first.ToArray(), firstBefore);
        Compare.BitEqual(second.ToArray(), secondBefore);
    }

    [Test]
    public void Step_RepeatedRuns_AreBitEqual()
    {
        var shape = new Shape(257);
        float[] start = Normal(shape.Length), moment = Array.ConvertAll(Normal(shape.Length), Math.Abs), gradients = Normal(shape.Length);
        float[] Run()
        {
            Tensor parameters = Accumulator(shape, start), first = Accumulator(shape, moment), second = Accumulator(shape, moment);
            Op.Step(AllOptions[1], 2, Input(new Shape(2), [2, 0.5f], "clip"), Input(shape, gradients), parameters, first, second);
            return [.. parameters.ToArray(), .. first.ToArray(), .. second.ToArray()];
        }

        Compare.BitEqual(Run(), Run());
    }

    [Test]
    public void Step_WrongArguments_AreRefused()
    {
        AdamWOptions options = AllOptions[0];
        var shape = new Shape(5);
        Tensor clip = Input(new Shape(2)), gradients = Input(shape), parameters = Output(shape), first = Output(shape), second = Output(shape);
        AssertRefused(() => Op.Step(options, 0, clip, gradients, parameters, first, second), "steps count from 1");
        AssertRefused(() => Op.Step(options, 1, clip, gradients, parameters, clip, second), "firstMoment is [2]", "expected [5]");
        AssertRefused(() => Op.Step(options, 1, clip, gradients, parameters, first, first), "secondMoment [5] overlaps firstMoment [5]");
        AssertRefused(() => Op.Step(options, 1, clip, gradients, gradients, first, second), "parameters [5] overlaps gradients [5]");
        AssertRefused(() => Op.Step(options, 1, clip, gradients, parameters, gradients, second), "firstMoment [5] overlaps gradients [5]");
        AssertRefused(() => Op.Step(options, 1, clip, gradients, parameters, first, gradients), "secondMoment [5] overlaps gradients [5]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape);
        AssertRefused(() => Op.Step(options, 1, clip, gradients, parameters, first, elsewhere), "secondMoment [5]", Engine.Name);
    }
}
