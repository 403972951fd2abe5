using System.Numerics;
using Ds2.Runtime.Distributed;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Distributed;

/// <summary>What owners have after an exchange, held against the tree of additions written out; and the thread that exchanges.</summary>
public sealed class GradientExchangeTests
{
    /// <summary>Several pieces of each share, shares of different lengths and one without any, ranks with several branches or none.</summary>
    [Test]
    public void AddUp_IsTheTreesSum_AndGatherGivesItToAll([Values(1, 2, 3, 4)] int ranks, [Values(1, 2, 3)] int batchesOfEach, [Values(0, 1)] int missing)
    {
        int batches = Math.Max(ranks * batchesOfEach - missing * batchesOfEach, 1);
        var random = new Random(3);
        Stretch[] owned = [new(64, 150_000), new(150_064, 0), new(150_100, 70_001), new(220_101, 90_000)];
        owned = ranks == 1 ? [new(64, 310_037)] : ranks == 2 ? [owned[0], new(150_064, 160_037)] : [.. owned.Take(ranks)];
        const int length = 310_200;
        float[][] gradients = [.. Enumerable.Range(0, batches).Select(_ => Enumerable.Range(0, length).Select(_ => random.NextSingle() - 0.3f).ToArray())];
        float[] expected = Tree(gradients);
        IReadOnlyList<Branch>[] branches = [.. Enumerable.Range(0, ranks).Select(rank => SumTree.Branches(Math.Min(rank * batchesOfEach, batches), Math.Min((rank + 1) * batchesOfEach, batches)))];
        ThreadRanks.Run(ranks, communicator =>
        {
            Memory<float>[] own = [.. branches[communicator.Rank].Select(branch => Tree(gradients[branch.First..(branch.First + branch.Count)]).AsMemory().ToArray())];
            float[] sum = own.Length > 0 ? [.. own[^1].Span] : new float[length];
            var exchange = new GradientExchange(communicator, underWay: 1);
            exchange.AddUp(owned, branches, own, sum);
            exchange.Gather([owned], sum);
            foreach (Stretch share in owned)
                Compare.BitEqual(sum[share.Offset..share.End], expected[share.Offset..share.End], $"{share}");
            return 0;
        });
    }

    /// <summary>Calls that were left to the thread come before those made after them, on all ranks.</summary>
    [Test]
    public void Queue_KeepsTheOrder()
    {
        string[] orders = ThreadRanks.Run(2, communicator =>
        {
            using var queue = new QueuedCommunicator(communicator);
            var order = new List<string>();
            for (int i = 0; i < 3; i++)
            {
                int number = i;
                queue.Post(() =>
                {
                    Thread.Sleep(5 * communicator.Rank);
                    order.Add($"{number}: {string.Join(' ', queue.Communicator.AllGather([(byte)(10 * number + communicator.Rank)]).Select(of => of[0]))}");
                });
            }

            order.Add($"direct: {string.Join(' ', queue.AllGather([(byte)(70 + communicator.Rank)]).Select(of => of[0]))}");
            return string.Join(", ", order);
        });
        Assert.That(orders, Is.All.EqualTo("0: 0 1, 1: 10 11, 2: 20 21, direct: 70 71"));
    }

    /// <summary>What failed on the thread is thrown where it is waited for, and by every call after it.</summary>
    [Test]
    public void Queue_FailsWhereItIsWaitedFor()
    {
        using var queue = new QueuedCommunicator(new LoneCommunicator());
        queue.Post(() => throw new DistributedException("gone"));
        Task after = queue.Post(() => Assert.Fail("nothing runs after a failure"));
        Assert.That(() => after.GetAwaiter().GetResult(), Throws.InstanceOf<DistributedException>().With.Message.EqualTo("gone"));
        Assert.That(queue.Barrier, Throws.InstanceOf<DistributedException>().With.Message.EqualTo("gone"));
    }

    private static float[] Tree(float[][] gradients)
    {
        if (gradients.Length == 1)
            return gradients[0];
        int whole = (int)BitOperations.RoundUpToPowerOf2((uint)gradients.Length) / 2;
        return [.. Tree(gradients[..whole]).Zip(Tree(gradients[whole..]), (x, y) => x + y)];
    }
}
