using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using ILGPU;

namespace Ds2.Tests.Gpu;

/// <summary>What CUDA allows of a grid, on engines that would allow more.</summary>
[TestFixture]
public sealed class LaunchGridTests
{
    private const int Tile = 32;

    [TestCase(KernelLaunch.MostDeep * Tile, true)]
    [TestCase(KernelLaunch.MostDeep * Tile + 1, false)]
    public void Launch_BeyondTheGrid_IsRefusedByName(int frames, bool fits)
    {
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        using Tensor x = engine.Allocate(new Shape(1, 1, 1, frames)), y = engine.Allocate(new Shape(frames, 1, 1));
        launches.Clear();
        void Transpose() => TimeMajor.On(engine).Backward(y, x);
        if (fits)
            Transpose();
        else
            Assert.That(Assert.Throws<ArgumentException>(Transpose)!.Message, Does.Contain("TransposeKernel").And.Contain("1 x 1 x 65536 groups"));
        Assert.That(launches, Has.Count.EqualTo(fits ? 1 : 0));
    }

    [Test]
    public void Launch_OnTheEmulatedDevice_IsCheckedToo()
    {
        using IlgpuEngine engine = IlgpuEngine.Emulated();
        const int Frames = KernelLaunch.MostDeep * Tile + 1;
        using Tensor x = engine.Allocate(new Shape(1, 1, 1, Frames)), y = engine.Allocate(new Shape(Frames, 1, 1));
        Assert.Throws<ArgumentException>(() => TimeMajor.On(engine).Backward(y, x));
    }

    /// <remarks>Images times tiles of channels, and images times slices of rows, are what lies along z.</remarks>
    [Test]
    public void Convolution_ManyImages_IsLaunchedInParts()
    {
        const int Images = 150_000;
        var launches = new List<KernelLaunch>();
        using IlgpuEngine engine = IlgpuEngine.Recording(launches.Add);
        var shape = new Conv2dShape(N: Images, C: 1, H: 1, W: 1, K: 33, R: 1, S: 1);
        Conv2d op = Conv2d.On(engine);
        using Tensor x = engine.Allocate(shape.X), y = engine.Allocate(shape.Y), weight = engine.Allocate(shape.Weight), bias = engine.Allocate(new Shape(shape.K));
        using Tensor dX = engine.Allocate(shape.X), dWeight = engine.Allocate(shape.Weight), dBias = engine.Allocate(new Shape(shape.K));
        using var workspace = new Workspace(engine);
        workspace.Reserve(Math.Max(op.ForwardWorkspace(shape), op.BackwardWorkspace(shape)));
        launches.Clear();
        op.Forward(shape, x, weight, bias, y, workspace);
        Assert.That(Depths("CorrelateKernel"), Is.EqualTo(new[] { 65535, 65535, 65535, 65535, 2 * Images - 4 * 65535 }));
        launches.Clear();
        op.Backward(shape, x, weight, y, dX, dWeight, dBias, workspace);
        Assert.That(Depths("SumWindowsKernel"), Is.EqualTo(new[] { 65535, 65535, Images - 2 * 65535 }));
        Assert.That(Depths("CorrelateKernel"), Is.EqualTo(new[] { 65535, 65535, Images - 2 * 65535 }));

        int[] Depths(string kernel) => [.. launches.Where(launch => launch.Kernel.Name == kernel).Select(launch => ((Index3D)launch.Grid.GridDim).Z)];
    }
}
