using System.Numerics;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Distributed;
using Ds2.Tests.Engines;
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

    /// <summary>Gradients that never leave the devices' memory: the same bits, and what the host cannot read it is not asked to. Additions of pieces that share memory, one after the other.</summary>
    [Test]
    public void AddUp_InDeviceMemory_IsTheTreesSum([Values(2, 3)] int ranks, [ValueSource(nameof(Devices))] string device)
    {
        // On the slow device fewer pieces than are under way at once.
        int share = device == "cuda" ? 300_000 : 40_000;
        const int batchesOfEach = 3;
        int batches = ranks * batchesOfEach - 1, length = ranks * share;
        var random = new Random(4);
        Stretch[] owned = [.. Enumerable.Range(0, ranks).Select(rank => new Stretch(rank * share, share - 7 * rank))];
        float[][] gradients = [.. Enumerable.Range(0, batches).Select(_ => Enumerable.Range(0, length).Select(_ => random.NextSingle() - 0.3f).ToArray())];
        foreach (float[] batch in gradients)
            batch[5] = float.Epsilon; // no engine takes it for zero
        float[] expected = Tree(gradients);
        IReadOnlyList<Branch>[] branches = [.. Enumerable.Range(0, ranks).Select(rank => SumTree.Branches(rank * batchesOfEach, Math.Min((rank + 1) * batchesOfEach, batches)))];
        ThreadRanks.Run(ranks, communicator =>
        {
            using IlgpuEngine engine = DevicePointers.NewEngine(device);
            using IExchangeMemory memory = Addition.NewExchangeMemory(engine)!;
            Tensor[] own = [.. branches[communicator.Rank].Select(_ => engine.Allocate(new Shape(length)))];
            foreach ((Branch branch, Tensor tensor) in branches[communicator.Rank].Zip(own))
                tensor.CopyFrom(Tree(gradients[branch.First..(branch.First + branch.Count)]));
            var exchange = new GradientExchange(communicator, underWay: 1, memory);
            exchange.Reserve(batches, share);
            memory.Mark()();
            Assert.That(() => memory.Of(own[0]).Span.Length, Throws.InvalidOperationException);
            exchange.AddUp(owned, branches, [.. own.Select(memory.Of)], memory.Of(own[^1]));
            exchange.Gather([owned], memory.Of(own[^1]));
            float[] sum = own[^1].ToArray();
            foreach (Stretch stretch in owned)
                Compare.BitEqual(sum[stretch.Offset..stretch.End], expected[stretch.Offset..stretch.End], $"{stretch}");
            Array.ForEach(own, tensor => tensor.Dispose());
            return 0;
        }, DevicePointers.Copy(device));
    }

    /// <summary>Tensors of the host, and OpenCL's, are handed to no library as a device's.</summary>
    [Test]
    public void NewExchangeMemory_AnEngineWithoutDevicePointers_IsNull()
    {
        using var host = new HostEngine(threads: 1);
        Assert.That(Addition.NewExchangeMemory(host), Is.Null);
    }

    private static IEnumerable<string> Devices => TestEngines.Names.Where(DevicePointers.Has);

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
