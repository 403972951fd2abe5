using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;

namespace Ds2.Tests.Engines;

/// <summary>Launches whose groups wait for each other, which CUDA alone has.</summary>
[TestFixture]
public sealed class CooperativeLaunchTests
{
    private const int Threads = 64;
    private const int Rounds = 5;

    /// <remarks>As many groups as fit, of few threads: what they leave for each other must be there after each round.</remarks>
    [Test]
    public void Groups_SeeWhatOthersWroteBeforeTheBarrier([Values(1, 2, 37, 448)] int groups)
    {
        using IlgpuEngine engine = Cuda();
        CooperativeKernel kernel = Load(engine);
        Assert.That(kernel.MostGroups, Is.GreaterThanOrEqualTo(groups));
        int[] got = Launch(engine, kernel, groups, arrivals: groups);
        engine.Synchronize();
        int[] expected = [.. Enumerable.Range(0, groups * Rounds).Select(i => i / groups * 1000 + (i % groups + 1) % groups)];
        Assert.That(got, Is.EqualTo(expected));
    }

    [Test]
    public void Barrier_ThatNotAllReach_EndsTheLaunchAndThrows()
    {
        using IlgpuEngine engine = Cuda();
        CooperativeKernel kernel = Load(engine);
        engine.BarrierLooks = 1000;
        Assert.That(
            Assert.Throws<DeviceFaultException>(() => Launch(engine, kernel, groups: 20, arrivals: 21))!.Message,
            Does.Contain("CooperativeLaunchTests.PassOnKernel").And.Contain("waited for each other in vain").And.Contain("DS2_COOPERATIVE=0"));
        Launch(engine, kernel, groups: 20, arrivals: 20); // The device goes on.
    }

    [Test]
    public void MoreGroupsThanTheDeviceHolds_AreRefused()
    {
        using IlgpuEngine engine = Cuda();
        CooperativeKernel kernel = Load(engine);
        int groups = kernel.MostGroups + 1;
        Assert.That(
            Assert.Throws<ArgumentException>(() => Launch(engine, kernel, groups, groups))!.Message,
            Does.Contain($"needs its {groups} groups at the same time; the device holds {kernel.MostGroups}"));
    }

    [Test]
    public void OtherDevices_HaveNone()
    {
        using IlgpuEngine engine = IlgpuEngine.Emulated();
        Assert.That(engine.LoadCooperative(PassOnKernel), Is.Null);
    }

    private static IlgpuEngine Cuda()
    {
        if (Environment.GetEnvironmentVariable("DS2_TEST_DEVICE") != "cuda")
            Assert.Ignore("CUDA alone has cooperative launches (DS2_TEST_DEVICE=cuda)");
        return IlgpuEngine.Cuda();
    }

    private static CooperativeKernel Load(IlgpuEngine engine)
    {
        CooperativeKernel? kernel = engine.LoadCooperative(PassOnKernel);
        if (kernel is null)
            Assert.Ignore($"{engine.Name} reports no cooperative launch");
        return kernel!;
    }

    private static int[] Launch(IlgpuEngine engine, CooperativeKernel kernel, int groups, int arrivals)
    {
        using IntTensor barrier = engine.AllocateInt(new Shape(GridBarrier.Stride)), got = engine.AllocateInt(new Shape(Rounds * groups));
        using Tensor left = engine.Allocate(new Shape(2, groups, 2));
        ArrayView<int> counters = barrier.View();
        kernel.Launch(
            new Index3D(groups, 1, 1), counters,
            left.View(), left.View().Address(), got.View(), counters, counters.Address(), arrivals, engine.BarrierLooks);
        return got.ToArray();
    }

    /// <summary>Each round, a group leaves a number for the group before it.</summary>
    [GpuKernel(Threads, GroupsPerMultiprocessor = 8, IsCooperative = true)]
    private static void PassOnKernel(
        ArrayView<float> left, long leftAddress, ArrayView<int> got, ArrayView<int> barrier, long barrierAddress, int arrivals, int looks)
    {
        ArrayView<int> seen = SharedMemory.Allocate<int>(1);
        ArrayView<double> copy = SharedMemory.Allocate<double>(1);
        for (int round = 0; round < Rounds; round++)
        {
            int half = (round & 1) * Grid.DimX;
            if (Group.IdxX == Threads - 1)
                left[(half + Grid.IdxX) * 2 + 1] = round * 1000 + Grid.IdxX;
            GridBarrier.Arrive(barrier, 0);
            if (!GridBarrier.Wait(seen, barrier, barrierAddress, 0, (round + 1) * arrivals, looks))
                return;
            if (Group.IdxX == 1)
            {
                GridBarrier.Load(copy, 0, leftAddress + (half + (Grid.IdxX + 1) % Grid.DimX) * sizeof(double));
                got[round * Grid.DimX + Grid.IdxX] = (int)copy.Cast<float>()[1];
            }
        }
    }
}
