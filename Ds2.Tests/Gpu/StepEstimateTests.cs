using Ds2.Bench.Gpu;
using Ds2.Bench.Gpu.Estimate;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Gpu;

/// <summary>The estimate of a training step, on a small model.</summary>
[TestFixture]
public sealed class StepEstimateTests
{
    private const int Batch = 2;
    private const int Frames = 60;
    private const int Labels = 3;
    private const int Layers = 2;
    private const int Hidden = 832; // More than stays on the chip.
    private const int ManyUtterances = 9; // More than one launch for all frames takes of so many units.
    private const int OutputFrames = 15; // (60 - 11) / 2 + 1 after the first convolution, 10 fewer after the second.

    private static RunOptions Options =>
        RunOptions.Presets["mlperf"].With("hidden", $"{Hidden}").With("layers", "2").With("channels", "4");

    [Test]
    public void Recording_RunsNothing()
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        using Tensor x = engine.Allocate(new Shape(3));
        x.Fill(1);
        Assert.That(x.ToArray(), Is.All.Zero);
        Assert.That(launches.Single().Kernel.Name, Is.EqualTo("FillKernel"));
        Assert.That(launches.Single().Arguments.Skip(1), Is.EqualTo(new object[] { 3, BitConverter.SingleToInt32Bits(1) }));
    }

    [Test]
    public void Step_LaunchesEachFrameOfEachLayerOnce()
    {
        IReadOnlyList<KernelLaunch> launches = StepEstimate.Record(Options, ManyUtterances, Frames, Labels);
        Assert.Multiple(() =>
        {
            Assert.That(launches.Count(IsOf<GruForwardKernel>), Is.EqualTo(Layers * (OutputFrames + 1)), "U is packed once");
            Assert.That(launches.Count(IsOf<GruBackwardKernel>), Is.EqualTo(Layers * (OutputFrames + 1)), "U is packed once");
            Assert.That(launches.Count(IsOf<TapGradientKernel>), Is.EqualTo(2));
            Assert.That(launches.Count(IsOf<IlgpuSgd>), Is.EqualTo(1));
        });
    }

    [Test]
    public void Step_OfAModelWhoseRecurrenceFitsTheDevice_LaunchesEachLayerOnce([Values(1, 2)] int directions)
    {
        RunOptions options = Options.With("hidden", "500").With("bidirectional", directions == 2 ? "true" : "false");
        IReadOnlyList<KernelLaunch> launches = StepEstimate.Record(options, Batch, Frames, Labels);
        KernelLaunch[] passes = [.. launches.Where(launch => launch.Arguments.OfType<GruPass>().Any())];
        Assert.Multiple(() =>
        {
            Assert.That(passes.Count(IsOf<GruForwardPassKernel>), Is.EqualTo(Layers));
            Assert.That(passes.Count(IsOf<GruBackwardPassKernel>), Is.EqualTo(Layers));
            Assert.That(launches.SelectMany(launch => launch.Arguments).OfType<GruStep>(), Is.Empty);
            Assert.That(passes.Select(LaunchWork.Of), Has.All.Matches<LaunchWork>(work => work.Flops == (OutputFrames - 1) * 2.0 * 3 * 500 * 500 * Batch * directions));
        });
    }

    [Test]
    public void Step_OfAModelOfWhichSomeFitsTheDevice_LaunchesEachLayerOnce([Values(1, 2)] int directions)
    {
        IReadOnlyList<KernelLaunch> launches = StepEstimate.Record(Options.With("bidirectional", directions == 2 ? "true" : "false"), Batch, Frames, Labels);
        KernelLaunch[] passes = [.. launches.Where(launch => launch.Kernel.Name == "PassKernel")];
        Assert.Multiple(() =>
        {
            Assert.That(passes.Count(IsOf<GruForwardStreamKernel>), Is.EqualTo(Layers));
            Assert.That(passes.Count(IsOf<GruBackwardStreamKernel>), Is.EqualTo(Layers));
            Assert.That(launches.SelectMany(launch => launch.Arguments).OfType<GruStep>(), Is.Empty);
            Assert.That(passes.Select(LaunchWork.Of), Has.All.Matches<LaunchWork>(work => work.Flops == (OutputFrames - 1) * 2.0 * 3 * Hidden * Hidden * Batch * directions));
            Assert.That(passes.Select(launch => launch.Grid.GridDim.Size), Has.All.InRange(40, 56), "a group a multiprocessor");
        });
    }

    /// <summary>What stays and what streams are together all of U, but for what fills up the last chunk.</summary>
    [Test]
    public void Work_OfAWideLayer_ReadsWhatStaysOnce()
    {
        foreach (KernelLaunch launch in StepEstimate.Record(Options, Batch, Frames, Labels).Where(launch => launch.Kernel.Name == "PassKernel"))
        {
            GruStream pass = launch.Arguments.OfType<GruStream>().Single();
            double streamed = StreamModel.StreamedBytes(launch, pass), staying = StreamModel.StayingBytes(launch, pass);
            Assert.That(streamed + staying, Is.InRange(4.0 * 3 * Hidden * Hidden, 1.15 * 4 * 3 * Hidden * Hidden));
            Assert.That(LaunchWork.Of(launch).Bytes, Is.EqualTo((OutputFrames - 1) * streamed + staying + 4.0 * OutputFrames * Batch * Hidden * 11));
        }
    }

    [Test]
    public void Work_OfAProduct_IsItsOwnAndItsTiles()
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        var shape = new GemmShape(129, 128, 16);
        using Tensor a = engine.Allocate(shape.A), b = engine.Allocate(shape.B), c = engine.Allocate(shape.C);
        Gemm.On(engine).Multiply(shape, a, b, c, beta: 1);
        var work = LaunchWork.Of(launches.Single());
        Assert.That(work, Is.EqualTo(new LaunchWork(2.0 * 129 * 128 * 16, 2.0 * 256 * 128 * 16, 4.0 * (129 * 16 + 16 * 128 + 2 * 129 * 128))));
    }

    [Test]
    public void Work_OfAProductInSlices_IsOneOfAllItsSlicesAndTheirAddition()
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        var shape = new GemmShape(129, 128, 300);
        using Tensor a = engine.Allocate(shape.A), b = engine.Allocate(shape.B), c = engine.Allocate(shape.C);
        using var workspace = new Workspace(engine);
        workspace.Reserve(Gemm.On(engine).WorkspaceFor(shape));
        Gemm.On(engine).Multiply(shape, a, b, c, beta: 1, workspace: workspace);
        GemmSlices slices = GemmSlices.Of(shape, engine.Multiprocessors);
        LaunchWork[] works = [.. launches.Select(LaunchWork.Of)];
        double sums = 4.0 * slices.Count * 129 * 128;
        Assert.That(slices.Count, Is.GreaterThan(1));
        Assert.That(works, Is.EqualTo(new[]
        {
            new LaunchWork(2.0 * 129 * 128 * 300, 2.0 * 256 * 128 * slices.Count * slices.Blocks * 8, 4.0 * (129 * 300 + 300 * 128) + sums),
            new LaunchWork(0, 0, sums + 4.0 * 2 * 129 * 128),
        }));
    }

    [Test]
    public void Work_OfAFrame_ReadsTheRecurrentWeightFromTheSecondFrameOn()
    {
        LaunchWork[] frames =
            [.. StepEstimate.Record(Options, ManyUtterances, Frames, Labels).Where(IsOf<GruForwardKernel>).Where(launch => launch.Arguments.OfType<GruStep>().Any()).Take(2).Select(LaunchWork.Of)];
        Assert.That(frames[1].Bytes - frames[0].Bytes, Is.EqualTo(4 * 3 * Hidden * 896), "U, its rows packed in blocks of 128");
        Assert.That(frames.Select(frame => frame.Flops), Is.EqualTo(new[] { 0.0, 2.0 * 3 * Hidden * Hidden * ManyUtterances }));
    }

    [Test]
    public void Work_OfConvolution_CountsTheRowsOfTheWindowInsideTheImage()
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        var shape = new Conv2dShape(N: 2, C: 3, H: 4, W: 130, K: 5, R: 3, S: 1, PadH: 1);
        using var workspace = new Workspace(engine);
        workspace.Reserve(Conv2d.On(engine).ForwardWorkspace(shape));
        using Tensor x = engine.Allocate(shape.X), y = engine.Allocate(shape.Y), weight = engine.Allocate(shape.Weight), bias = engine.Allocate(new Shape(5));
        Conv2d.On(engine).Forward(shape, x, weight, bias, y, workspace);
        var work = LaunchWork.Of(launches.Single(IsOf<CorrelationKernel>));
        Assert.That(work.Flops, Is.EqualTo(2.0 * 2 * 5 * 130 * 3 * (2 + 3 + 3 + 2)));
        Assert.That(work.ComputedFlops, Is.EqualTo(2.0 * 2 * 32 * 256 * 3 * (2 + 3 + 3 + 2)));
    }

    [Test]
    public void Estimate_IsNeverBelowTheRoofline()
    {
        if (CudaTools.WhyNoDisassembly(Chip.P100) is string missing)
            Assert.Ignore(missing);
        IReadOnlyList<LaunchTimes> times = LaunchTimes.Of(StepEstimate.Record(Options, Batch, Frames, Labels), P100Kernels.All);
        var all = LaunchTimes.Sum("all", times.ToArray());
        Assert.Multiple(() =>
        {
            Assert.That(all.Gflop, Is.Positive);
            Assert.That(all.Gigabytes, Is.Positive);
            Assert.That(all.RooflineSeconds, Is.Positive);
            Assert.That(times, Has.All.Matches<LaunchTimes>(time => time.EstimatedSeconds > time.RooflineSeconds));
            Assert.That(times.Sum(time => time.Launches), Is.EqualTo(all.Launches));
        });
    }

    private static bool IsOf<TKernel>(KernelLaunch launch) => launch.Kernel.DeclaringType == typeof(TKernel);
}
