using System.Numerics;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Distributed;
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
        using var accumulator = new GradientAccumulator(parameters, first: 0, end: 9);
        accumulator.Reserve();
        var random = new Random(5);
        for (int step = 0; step < 2; step++)
        {
            float[][] gradients = [.. Enumerable.Range(0, batches).Select(_ => Enumerable.Range(0, parameters.Gradients.Length).Select(_ => random.NextSingle() - 0.3f).ToArray())];
            accumulator.Begin();
            for (int place = 0; place < batches; place++)
            {
                parameters.Gradients.CopyFrom(gradients[place]);
                if (place < batches - 1)
                    accumulator.Add(place);
                else
                    accumulator.AddLast(place);
            }

            accumulator.AddUp();
            Compare.BitEqual(parameters.Gradients.ToArray(), Tree(gradients), $"step {step}");
            if (batches > 3)
                Assert.That(Tree(gradients), Is.Not.EqualTo(gradients.Aggregate(Sum)), "one after the other gives other bits");
        }
    }

    [TestCase(1, 0)]
    [TestCase(2, 1)]
    [TestCase(3, 1)]
    [TestCase(4, 2)]
    [TestCase(5, 2)]
    [TestCase(8, 3)]
    [TestCase(9, 3)]
    [TestCase(1024, 10)]
    public void Buffers_AreTheMostBranchesThatWait(int batches, int buffers)
    {
        using var engine = new HostEngine(threads: 1);
        using var parameters = new ParameterSet(engine);
        using var accumulator = new GradientAccumulator(parameters, first: 0, batches);
        Assert.That(accumulator.Buffers, Is.EqualTo(buffers));
    }

    /// <summary>However the batches are divided into stretches of neighbours, each stretch's branches joined leave the same bits.</summary>
    [Test]
    public void Branches_OfRanks_JoinToTheSameSum([Range(1, 12)] int batches, [Values(1, 2, 3, 5)] int each)
    {
        var random = new Random(6);
        float[][] gradients = [.. Enumerable.Range(0, batches).Select(_ => Enumerable.Range(0, Length).Select(_ => random.NextSingle() - 0.3f).ToArray())];
        (Branch Branch, float[] Sum)[] branches =
        [
            .. Enumerable.Range(0, (batches + each - 1) / each)
                .SelectMany(rank => SumTree.Branches(rank * each, Math.Min((rank + 1) * each, batches)))
                .Select(branch => (branch, Tree(gradients[branch.First..(branch.First + branch.Count)]))),
        ];
        var waiting = new List<(Branch Branch, float[] Sum)>();
        foreach ((Branch branch, float[] sum) in branches)
            SumTree.Push(waiting, branch, sum, Sum);
        float[] total = SumTree.Total(waiting, Sum);
        Compare.BitEqual(total, Tree(gradients), "sum");
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
