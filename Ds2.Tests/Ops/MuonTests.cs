using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;
using MathNet.Numerics.LinearAlgebra.Double;

namespace Ds2.Tests.Ops;

public sealed class MuonTests(string engine) : OpTest(engine)
{
    private static readonly MuonOptions Options = new(LearningRate: 0.01f, Momentum: 0.9f, WeightDecay: 0.1f);

    private Muon Op => Muon.On(Engine);

    private MuonShape[] Shapes => IsFast
        ? [new(0, 3, 2), new(1, 1, 1), new(1, 1, 7), new(1, 5, 1), new(3, 4, 4), new(2, 3, 8), new(2, 9, 5), new(3, 40, 33), new(1, 33, 70), new(3, 96, 96)]
        : [new(0, 3, 2), new(1, 1, 1), new(2, 3, 5), new(1, 6, 4)];

    [Test]
    public void Step_ManySteps_MatchReference()
    {
        const int steps = 4;
        foreach (MuonShape matrices in Shapes)
        {
            Tensor parameters = Accumulator(matrices.Shape, Normal(matrices.Shape.Length), "parameters");
            Tensor momentum = Accumulator(matrices.Shape, new float[matrices.Shape.Length], "momentum");
            double[] parametersExpected = parameters.ToDouble(), momentumExpected = new double[matrices.Shape.Length];
            for (int step = 1; step <= steps; step++)
            {
                // Gradients' size does not matter to the step, down to where their squares are no fp32 numbers: nor does it where the momentum is of that size, too.
                Tensor gradients = Input(matrices.Shape, deviation: step == 1 ? 1e-21 : 1), clip = Input(new Shape(2), [10, step == 2 ? 0.25f : 1], "clip");
                Op.Step(Options, matrices, clip, [new MuonTensors(gradients, parameters, momentum)], Scratch(Op.WorkspaceFor(matrices)));
                OptimiserReference.Muon(Options, matrices, clip.ToArray()[1], gradients.ToDouble(), parametersExpected, momentumExpected);
            }

            Compare.Close(parameters, parametersExpected, Tolerances.Orthogonalized(steps));
            Compare.Close(momentum, momentumExpected, Tolerances.Optimiser(steps));
            NextCase();
        }
    }

    /// <remarks>What makes it Muon: whatever the gradient's singular values are, the step's are all about the same, and its singular vectors are the gradient's.</remarks>
    [TestCase(24, 24)]
    [TestCase(12, 40)]
    [TestCase(40, 12)]
    public void Step_MakesAllSingularValuesAboutOne(int rows, int columns)
    {
        if (!IsFast)
            Assert.Ignore("takes minutes here");
        var matrices = new MuonShape(1, rows, columns);
        int n = Math.Min(rows, columns);
        DenseMatrix u = Orthogonal(rows), v = Orthogonal(columns), values = new(rows, columns);
        for (int i = 0; i < n; i++)
            values[i, i] = Math.Pow(10, -1.5 * i / n);
        double[] gradient = (u * values * v).ToRowMajorArray();
        var start = new float[matrices.Shape.Length];
        Tensor parameters = Accumulator(matrices.Shape, start), momentum = Accumulator(matrices.Shape, start);
        Op.Step(
            new MuonOptions(LearningRate: 1), matrices, Input(new Shape(2), [1, 1], "clip"),
            [new MuonTensors(Input(matrices.Shape, Array.ConvertAll(gradient, g => (float)g)), parameters, momentum)],
            Scratch(Op.WorkspaceFor(matrices)));

        double size = 0.2 * Math.Sqrt(Math.Max(rows, columns));
        var step = new DenseMatrix(columns, rows, [.. parameters.ToDouble().Select(p => -p / size)]);
        DenseMatrix inSingularVectors = u.TransposeThisAndMultiply(step.Transpose()) is DenseMatrix left ? (DenseMatrix)left.TransposeAndMultiply(v) : throw new InvalidOperationException();
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                Assert.That(inSingularVectors[i, j], i == j ? Is.InRange(0.79, 1.21) : Is.EqualTo(0).Within(1e-4), $"[{i}, {j}]");
        }
    }

    [Test]
    public void Step_FactorZero_LeavesAllAsItIs()
    {
        var matrices = new MuonShape(2, 3, 4);
        float[] before = Normal(matrices.Shape.Length), momentumBefore = Normal(matrices.Shape.Length), gradients = Normal(matrices.Shape.Length);
        gradients[5] = float.NaN;
        gradients[6] = float.PositiveInfinity;
        Tensor parameters = Accumulator(matrices.Shape, before), momentum = Accumulator(matrices.Shape, momentumBefore);
        Op.Step(
            Options, matrices, Input(new Shape(2), [float.NaN, 0], "clip"), [new MuonTensors(Input(matrices.Shape, gradients), parameters, momentum)], Scratch(Op.WorkspaceFor(matrices)));
        Compare.BitEqual(parameters.ToArray(), before);
        Compare.BitEqual(momentum.ToArray(), momentumBefore);
    }

    /// <remarks>A gradient that stays zero, as behind a clipping that clips all, leaves a momentum of denormal numbers behind, whose reciprocal is no fp32 number.</remarks>
    [Test]
    public void Step_OfAMomentumThatHasDiedAway_StaysFinite([Values(1e-20f, 1e-38f, 1e-41f, 1e-44f)] float size)
    {
        var matrices = new MuonShape(2, 3, 4);
        float[] before = Normal(matrices.Shape.Length);
        Tensor parameters = Accumulator(matrices.Shape, before), momentum = Accumulator(matrices.Shape, [.. Normal(before.Length).Select(value => size * value)]);
        Op.Step(
            Options, matrices, Input(new Shape(2), [0, 1], "clip"), [new MuonTensors(Input(matrices.Shape, new float[before.Length]), parameters, momentum)], Scratch(Op.WorkspaceFor(matrices)));
        Assert.That(parameters.ToArray().Zip(before, (now, then) => Math.Abs(now - then)), Is.All.LessThan(0.1));
    }

    [Test]
    public void Step_OfZeros_IsTheDecayAlone()
    {
        var matrices = new MuonShape(2, 3, 4);
        float[] before = Normal(matrices.Shape.Length);
        Tensor parameters = Accumulator(matrices.Shape, before), momentum = Accumulator(matrices.Shape, new float[before.Length]);
        Op.Step(
            Options, matrices, Input(new Shape(2), [0, 1], "clip"), [new MuonTensors(Input(matrices.Shape, new float[before.Length]), parameters, momentum)], Scratch(Op.WorkspaceFor(matrices)));
        Compare.Close(parameters.ToDouble(), [.. before.Select(p => p * (1 - 0.01 * 0.1))], Tolerances.Optimiser(1), "parameters");
    }

    [Test]
    public void Step_RepeatedRuns_AreBitEqual()
    {
        MuonShape matrices = IsFast ? new(3, 40, 33) : new(2, 3, 5);
        float[] start = Normal(matrices.Shape.Length), first = Normal(matrices.Shape.Length), gradients = Normal(matrices.Shape.Length);
        float[] Run()
        {
            Tensor parameters = Accumulator(matrices.Shape, start), momentum = Accumulator(matrices.Shape, first);
            Op.Step(
                Options, matrices, Input(new Shape(2), [2, 0.5f], "clip"), [new MuonTensors(Input(matrices.Shape, gradients), parameters, momentum)], Scratch(Op.WorkspaceFor(matrices)));
            return [.. parameters.ToArray(), .. momentum.ToArray()];
        }

        Compare.BitEqual(Run(), Run());
    }

    /// <remarks>Sides of more than one tile of a GPU's product, and tensors of more than one launch's matrices.</remarks>
    [Test]
    public void Step_OfSeveralTensors_IsThatOfEach()
    {
        MuonShape[] shapes = IsFast ? [new(1, 132, 200), new(2, 140, 136), new(1, 300, 260), new(2, 33, 70), new(1, 388, 36)] : [new(2, 8, 12), new(1, 6, 4)];
        foreach (MuonShape matrices in shapes)
        {
            float[][] gradients = [.. Enumerable.Range(0, 3).Select(_ => Normal(matrices.Shape.Length))], start = [.. gradients.Select(_ => Normal(matrices.Shape.Length))];
            MuonTensors Tensors(int i) => new(
                Input(matrices.Shape, gradients[i]), Accumulator(matrices.Shape, start[i]), Accumulator(matrices.Shape, new float[matrices.Shape.Length]));
            Tensor clip = Input(new Shape(2), [1, 1], "clip");
            MuonTensors[] together = [.. Enumerable.Range(0, 3).Select(Tensors)];
            Op.Step(Options, matrices, clip, together, Scratch(Op.WorkspaceFor(matrices, 3)));
            for (int i = 0; i < 3; i++)
            {
                MuonTensors alone = Tensors(i);
                Op.Step(Options, matrices, clip, [alone], Scratch(Op.WorkspaceFor(matrices)));
                Compare.BitEqual(together[i].Parameters.ToArray(), alone.Parameters.ToArray());
                Compare.BitEqual(together[i].Momentum.ToArray(), alone.Momentum.ToArray());
                double[] expected = start[i].ToDouble(), momentum = new double[matrices.Shape.Length];
                OptimiserReference.Muon(Options, matrices, 1, gradients[i].ToDouble(), expected, momentum);
                Compare.Close(together[i].Parameters, expected, Tolerances.Orthogonalized(1, Math.Max(matrices.Rows, matrices.Columns)), $"{matrices}");
            }

            NextCase();
        }
    }

    [Test]
    public void Step_WrongArguments_AreRefused()
    {
        var matrices = new MuonShape(1, 2, 3);
        Shape shape = matrices.Shape;
        Workspace workspace = Scratch(Op.WorkspaceFor(matrices)), small = Scratch(Op.WorkspaceFor(matrices) - 1);
        Tensor clip = Input(new Shape(2)), gradients = Input(shape), parameters = Output(shape), momentum = Output(shape);
        AssertRefused(() => Op.Step(Options, matrices, clip, [new MuonTensors(gradients, parameters, clip)], workspace), "momentum is [2]", "expected [1, 2, 3]");
        AssertRefused(() => Op.Step(Options, matrices, clip, [new MuonTensors(gradients, gradients, momentum)], workspace), "parameters [1, 2, 3] overlaps gradients [1, 2, 3]");
        AssertRefused(() => Op.Step(Options, matrices, clip, [new MuonTensors(gradients, parameters, parameters)], workspace), "momentum [1, 2, 3] overlaps parameters [1, 2, 3]");
        AssertRefused(() => Op.Step(Options, matrices, clip, [new MuonTensors(gradients, parameters, momentum)], small), "call Reserve first");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape);
        AssertRefused(() => Op.Step(Options, matrices, clip, [new MuonTensors(gradients, parameters, elsewhere)], workspace), "momentum [1, 2, 3]", Engine.Name);
    }

    private DenseMatrix Orthogonal(int n) =>
        (DenseMatrix)new DenseMatrix(n, n, Array.ConvertAll(Normal(n * n), value => (double)value)).QR().Q;
}
