using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Ops;

public sealed class TimeMajorTests(string engine) : OpTest(engine)
{
    private TimeMajor Op => TimeMajor.On(Engine);

    private Shape[] Shapes => IsFast
        ? [new(1, 1, 1, 1), new(0, 2, 3, 4), new(2, 3, 5, 0), new(3, 2, 5, 1), new(1, 7, 9, 33), new(2, 32, 21, 17), new(8, 4, 8, 64), new(3, 5, 13, 257)]
        : [new(1, 1, 1, 1), new(0, 2, 3, 4), new(2, 3, 5, 0), new(3, 2, 5, 1), new(2, 5, 7, 33), new(1, 4, 8, 32)];

    [Test]
    public void Forward_MatchesReference()
    {
        foreach (Shape shape in Shapes)
        {
            Tensor x = Input(shape), y = Output(Sequence(shape));
            Op.Forward(x, y);
            Compare.Close(y, PointwiseReference.TimeMajor(x.ToDouble(), shape), Tolerances.Exact, $"of {shape}");
            NextCase();
        }
    }

    [Test]
    public void Backward_UndoesForward()
    {
        foreach (Shape shape in Shapes)
        {
            Tensor x = Input(shape), y = Output(Sequence(shape)), dX = Output(shape);
            Op.Forward(x, y);
            Op.Backward(y, dX);
            Compare.BitEqual(dX.ToArray(), x.ToArray());
            NextCase();
        }
    }

    [Test]
    public void ForwardAndBackward_WrongArguments_AreRefused()
    {
        Tensor x = Input(new Shape(2, 3, 4, 5)), y = Output(new Shape(5, 2, 12));
        AssertRefused(() => Op.Forward(x, y.Reshape(new Shape(2, 5, 12))), "[2, 5, 12]", "expected [5, 2, 12]");
        AssertRefused(() => Op.Forward(x.Reshape(new Shape(2, 12, 5)), y), "[2, 12, 5]");
        AssertRefused(() => Op.Backward(y, y.Reshape(x.Shape)), "dX [2, 3, 4, 5] overlaps dY [5, 2, 12]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(y.Shape);
        AssertRefused(() => Op.Forward(x, elsewhere), "[5, 2, 12]", Engine.Name);
    }

    private static Shape Sequence(Shape image) => new(image[3], image[0], image[1] * image[2]);
}
