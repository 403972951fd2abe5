using Ds2.Kernels.Ops;

namespace Ds2.Tests.Ops;

public sealed partial class GruTests
{
    [Test]
    public void Infer_GivesTheBitsOfForward([Values(1, 2)] int directions, [Values] RecurrentPrecision precision)
    {
        // One utterance alone and several; widths that end within a register and an odd one.
        (int N, int H)[] sizes = IsFast ? [(1, 270), (1, 33), (3, 17), (9, 40)] : [(2, 19)];
        foreach ((int n, int h) in sizes)
        {
            var shape = new GruShape(T: IsFast ? 6 : 2, n, I: 3, h, directions);
            int[] lengths = SomeLengths(shape);
            float[] x = Normal(shape.X.Length);
            Weights[] weights = RandomWeights(shape);
            foreach (float[]? initial in directions == 1 ? [null, Normal(shape.State.Length)] : new float[]?[] { null })
            {
                (float[] forward, float[]? last) = Output(shape, lengths, x, weights, precision, initial, infers: false);
                (float[] inferred, float[]? final) = Output(shape, lengths, x, weights, precision, initial, infers: true);
                Compare.BitEqual(inferred, forward, "y");
                if (initial is not null)
                    Compare.BitEqual(final!, last!, "final");
            }
        }
    }

    /// <remarks>One utterance is multiplied with halves that are scaled by 2^-112, its state by as much the other way: what does not fit there must go another way.</remarks>
    [Test]
    public void Infer_HalfPrecisionOfOneUtterance_EqualsThatOfRoundedWeights([Values(1f, 16384f, 1e30f)] float largestState, [Values(0.5f, 65519f, 1e6f)] float largestWeight)
    {
        if (!IsFast)
            Assert.Ignore("the host's way to multiply");
        var shape = new GruShape(T: 3, N: 1, I: 2, H: 35);
        float[] x = Normal(shape.X.Length), initial = Normal(shape.State.Length);
        initial[3] = -largestState;
        Weights[] weights = RandomWeights(shape);
        float[] recurrent = weights[0].Recurrent;
        for (int i = 0; i < recurrent.Length; i++)
            recurrent[i] *= MathF.Pow(2, -i % 24); // subnormal halves among them
        recurrent[7] = largestWeight;
        recurrent[^1] = -largestWeight;
        float[] half = Output(shape, [shape.T], x, weights, RecurrentPrecision.Fp16, initial, infers: true).Y;
        float[] full = Output(shape, [shape.T], x, Array.ConvertAll(weights, Rounded), RecurrentPrecision.Fp32, initial, infers: true).Y;
        Assert.That(half, Is.EqualTo(full));
    }

    [Test]
    public void Infer_WrongArguments_AreRefused()
    {
        var shape = new GruShape(T: 3, N: 2, I: 4, H: 5);
        Tensor x = Input(shape.X), y = Output(shape.Y), packed = Output(Op.PackedShape(5, 1)), state = Output(shape.State);
        IntTensor lengths = IntInput(new Shape(2), [3, 3], "lengths");
        GruWeights weights = Upload(shape, RandomWeights(shape)[0]);
        Workspace scratch = Scratch(Op.InferWorkspace(shape));
        AssertRefused(() => Op.Pack(shape, [weights], y), "packed is [3, 2, 5]");
        AssertRefused(() => Op.Pack(shape, [weights with { Recurrent = weights.Input }], packed), "weights.Recurrent is [15, 4]");
        AssertRefused(() => Op.Infer(shape, x, lengths, [weights], y, y, scratch), "packed is [3, 2, 5]");
        AssertRefused(() => Op.Infer(shape, y, lengths, [weights], packed, y, scratch), "x is [3, 2, 5]");
        AssertRefused(() => Op.Infer(shape, x, lengths, [weights], packed, y, Scratch(0)), "workspace");
        AssertRefused(() => Op.Infer(shape, x, lengths, [weights], packed, y, scratch, y.Slice(0, shape.State)), "overlaps");
        AssertRefused(() => Op.Infer(shape with { Directions = 2 }, x, lengths, [weights, weights], Output(Op.PackedShape(5, 2)), y, scratch, state), "is a state of one direction");
    }

    private (float[] Y, float[]? Final) Output(
        GruShape shape, int[] lengths, float[] x, Weights[] weights, RecurrentPrecision precision, float[]? initial, bool infers)
    {
        SkipWithoutHalf(precision);
        var op = Gru.On(Engine, precision);
        GruWeights[] onEngine = Array.ConvertAll(weights, w => Upload(shape, w));
        Tensor? before = initial is null ? null : Input(shape.State, initial), final = initial is null ? null : Output(shape.State, "final");
        Tensor y = Output(shape.Y, "y"), input = Input(shape.X, x);
        IntTensor counts = IntInput(new Shape(shape.N), lengths);
        if (infers)
        {
            Tensor packed = Output(op.PackedShape(shape.H, shape.Directions), "packed");
            op.Pack(shape, onEngine, packed);
            op.Infer(shape, input, counts, onEngine, packed, y, Scratch(op.InferWorkspace(shape)), before, final);
        }
        else
        {
            Tensor hidden = shape.Directions == 1 ? y.Reshape(shape.Hidden) : Output(shape.Hidden);
            op.Forward(shape, input, counts, onEngine, y, hidden, Output(shape.Gates), Output(shape.Hidden), Scratch(op.ForwardWorkspace(shape)), before, final);
        }

        (float[], float[]?) result = (y.ToArray(), final?.ToArray());
        NextCase();
        return result;
    }
}
