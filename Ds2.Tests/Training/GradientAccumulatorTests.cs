using System.Numerics;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Layers;
using Ds2.Runtime.Training;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Training;

/// <summary>The order in which the gradients of a step's batches are added up, written out as the recursion that it follows.</summary>
public sealed class GradientAccumulatorTests
{
    private const int Length = 200;

    [Test]
    public void Add_SumsByTheTree_ToTheBit([Range(1, 9)] int batches)
    {
        using var engine = new HostEngine(threads: 1);
        using var parameters = new ParameterSet(engine);
        parameters.DeclareConstant("weight", new Shape(Length), 0);
        parameters.Allocate(seed: 1);
        using var accumulator = new GradientAccumulator(parameters, most: 9);
        accumulator.Reserve();
        var random = new Random(5);
        for (int step = 0; step < 2; step++)
        {
            float[][] gradients = [.. Enumerable.Range(0, batches).Select(_ => Enumerable.Range(0, parameters.Gradients.Length).Select(_ => random.NextSingle() - 0.3f).ToArray())];
            for (int place = 0; place < batches; place++)
            {
                parameters.Gradients.CopyFrom(gradients[place]);
                accumulator.Add(place, batches);
            }

            Compare.BitEqual(parameters.Gradients.ToArray(), Tree(gradients), $"step {step}");
            if (batches > 3)
                Assert.That(Tree(gradients), Is.Not.EqualTo(gradients.Aggregate(Sum)), "one after the other gives other bits");
        }
    }

    [TestCase(1, 0)]
    [TestCase(2, 1)]
    [TestCase(3, 2)]
    [TestCase(4, 2)]
    [TestCase(5, 3)]
    [TestCase(8, 3)]
    [TestCase(9, 4)]
    [TestCase(1024, 10)]
    public void Buffers_AreALevelEach(int batches, int buffers)
    {
        using var engine = new HostEngine(threads: 1);
        using var parameters = new ParameterSet(engine);
        using var accumulator = new GradientAccumulator(parameters, batches);
        Assert.That(accumulator.Buffers, Is.EqualTo(buffers));
    }

    private static float[] Tree(float[][] gradients)
    {
        if (gradients.Length == 1)
            return gradients[0];
        int whole = (int)BitOperations.RoundUpToPowerOf2((uint)gradients.Length) / 2;
        return Sum(Tree(gradients[..whole]), Tree(gradients[whole..]));
    }

    private static float[] Sum(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x + y)];
}
