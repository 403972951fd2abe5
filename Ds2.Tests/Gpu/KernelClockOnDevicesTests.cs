using Ds2.Bench.Gpu;
using Ds2.Bench.Gpu.Estimate;
using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Gpu;

/// <summary>Launches by the device's clock, on the emulated device or, where the tests run on one, on the GPU.</summary>
public sealed class KernelClockOnDevicesTests
{
    private const int Batch = 2;
    private const int Frames = 40;
    private const int Labels = 2;

    private static readonly RunOptions Tiny = RunOptions.Presets["mlperf"].With("hidden", "8").With("layers", "1").With("channels", "2");

    private static IlgpuDeviceKind Device => Environment.GetEnvironmentVariable("DS2_TEST_DEVICE") switch
    {
        "cuda" => IlgpuDeviceKind.Cuda,
        "opencl" => IlgpuDeviceKind.OpenCl,
        _ => IlgpuDeviceKind.Emulated,
    };

    [Test]
    public void Clock_TimesLaunchesWhileItIsOn()
    {
        using var clock = new KernelClock();
        using IlgpuEngine engine = IlgpuEngine.Timed(Device, 0, clock);
        using Tensor x = engine.Allocate(new Shape(3));
        x.Fill(1);
        clock.IsOn = true;
        x.Fill(2);
        clock.IsOn = false;
        x.Fill(3);
        (KernelLaunch launch, double seconds) = clock.Take().Single();
        Assert.Multiple(() =>
        {
            Assert.That(launch.Arguments.Skip(1), Is.EqualTo(new object[] { 3, BitConverter.SingleToInt32Bits(2) }));
            Assert.That(seconds, Is.Positive.And.LessThan(60));
            Assert.That(x.ToArray(), Is.All.EqualTo(3), "timed launches run");
            Assert.That(clock.Take(), Is.Empty);
        });
    }

    [Test]
    public void Step_HasTheLaunchesThatTheEstimateCounts()
    {
        if (Device == IlgpuDeviceKind.Emulated)
            Assert.Ignore("takes minutes on ILGPU's emulation: DS2_TEST_DEVICE=cuda or opencl");
        using var clock = new KernelClock();
        using IlgpuEngine engine = IlgpuEngine.Timed(Device, 0, clock);
        IReadOnlyList<KernelTime> times = KernelTime.Measure(new StepOptions(Tiny, Batch, Frames, Labels, Steps: 2, Threads: 0), engine, clock);
        ILookup<string, KernelLaunch> estimated = StepEstimate.Record(Tiny, Batch, Frames, Labels).ToLookup(launch => CompiledKernel.NameOf(launch.Kernel));
        Assert.That(
            times.Select(time => (time.Name, time.Launches, time.Bytes)),
            Is.EquivalentTo(estimated.Select(kernel => (kernel.Key, kernel.Count(), kernel.Sum(launch => LaunchWork.Of(launch).Bytes)))));
    }
}
