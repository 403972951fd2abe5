using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Tests.Ops;

namespace Ds2.Tests.Gpu;

/// <summary>
/// The kernels that carry a training step, at the model's own widths (fewer frames), on the emulated P100: what they move through global memory
/// and how their shared accesses meet the banks, by its counters; and that they compute what the host computes.
/// </summary>
/// <remarks>Run with DS2_TEST_DEVICE=cuda and PTXEMU_STATS=FILE under the emulator; skipped elsewhere, since nothing else counts.</remarks>
[TestFixture]
public sealed class TrafficTests
{
    private const double Efficient = 0.9;

    private static readonly Conv2dShape FirstConvolution = new(N: 1, C: 1, H: 161, W: 1230, K: 32, R: 41, S: 11, StrideH: 2, StrideW: 2);
    private static readonly Conv2dShape SecondConvolution = new(N: 1, C: 32, H: 27, W: 610, K: 32, R: 21, S: 11, StrideH: 2);

    private readonly Random random = new(20160106);

    [OneTimeSetUp]
    public void NeedsCounters()
    {
        if (Environment.GetEnvironmentVariable("DS2_TEST_DEVICE") != "cuda" || LaunchCounters.File is null)
            Assert.Ignore("only the emulated P100 counts (DS2_TEST_DEVICE=cuda, PTXEMU_STATS=FILE)");
        File.Delete(LaunchCounters.File); // An earlier run's.
    }

    [TestCase("MultiplyKernel", 120, 2560, 680, false, false)]
    [TestCase("MultiplyTransposedBKernel", 120, 640, 2560, false, true)]
    [TestCase("MultiplyTransposedAKernel", 640, 2560, 56, true, false)]
    public void Gemm_MovesWholeSectors(string kernel, int m, int n, int k, bool transposeA, bool transposeB)
    {
        var shape = new GemmShape(m, n, k, transposeA, transposeB);
        float[] a = Normal(shape.A), b = Normal(shape.B);
        LaunchCounters counted = Count(
            engine =>
            {
                using Tensor left = Put(engine, shape.A, a), right = Put(engine, shape.B, b), product = engine.Allocate(shape.C);
                Gemm.On(engine).Multiply(shape, left, right, product);
                return [product.ToArray()];
            },
            Tolerances.Sum(k),
            [kernel]).Of(kernel);
        Assert.That(counted.Ways("shared_load"), Is.EqualTo(1).Within(0.001), "bank conflicts of the shared loads");
        Assert.That(counted.Ways("shared_store"), Is.LessThan(1.05), "bank conflicts of the shared stores");
    }

    [Test]
    public void FirstConvolution_MovesWholeSectors() => AssertConvolution(FirstConvolution, needsDX: false);

    [Test]
    public void SecondConvolution_MovesWholeSectors() => AssertConvolution(SecondConvolution, needsDX: true);

    /// <remarks>
    /// Three frames: the first has no state before it and does not read U. What the second-level cache delivers is U once for each 32 utterances, and the states or gradients of the frame before for
    /// each group: forward 160 groups, backward 160 or, of more than 8 utterances, 54, of three times as much.
    /// </remarks>
    [TestCase(8, RecurrentPrecision.Fp32, 1.25, 1.6)]
    [TestCase(32, RecurrentPrecision.Fp32, 1.8, 1.8)]
    [TestCase(64, RecurrentPrecision.Fp32, 3.6, 3.6)]
    [TestCase(8, RecurrentPrecision.Fp16, 1.5, 2.15)]
    public void FusedCell_ReadsTheRecurrentWeightOnceAFrame(int utterances, RecurrentPrecision precision, double forwardFromCache, double backwardFromCache)
    {
        const int Frames = 3, Hidden = 2560;
        var shape = new GruShape(Frames, utterances, 4, Hidden);
        float[] x = Normal(shape.X), w = Normal(shape.InputWeight), u = Normal(shape.RecurrentWeight, 1 / Math.Sqrt(Hidden)), b = Normal(shape.Bias);
        float[] dY = Normal(shape.Y);
        bool isHalf = precision == RecurrentPrecision.Fp16;
        string suffix = (utterances > 8 ? "Wide" : "") + (isHalf ? "Half" : "");
        string[] cells = [isHalf ? "CellHalfKernel" : "CellKernel", $"CellGradient{suffix}Kernel"];
        int[] lengths = [.. Enumerable.Range(0, utterances).Select(n => Frames - n % 2)];
        LaunchCounters counted = Count(
            engine =>
            {
                var gru = Gru.On(engine, precision);
                using var workspace = new Workspace(engine);
                workspace.Reserve(Math.Max(gru.ForwardWorkspace(shape), gru.BackwardWorkspace(shape)));
                using Tensor input = Put(engine, shape.X, x), gradient = Put(engine, shape.Y, dY), dX = engine.Allocate(shape.X);
                using Tensor hidden = engine.Allocate(shape.Hidden), gates = engine.Allocate(shape.Gates), candidates = engine.Allocate(shape.Hidden);
                using Tensor inputWeight = Put(engine, shape.InputWeight, w), recurrentWeight = Put(engine, shape.RecurrentWeight, u);
                using Tensor inputBias = Put(engine, shape.Bias, b), recurrentBias = Put(engine, shape.Bias, b);
                using Tensor dW = engine.Allocate(shape.InputWeight), dB = engine.Allocate(shape.Bias), dC = engine.Allocate(shape.Bias);
                using IntTensor frames = engine.AllocateInt(new Shape(utterances));
                frames.CopyFrom(lengths);
                GruWeights[] weights = [new(inputWeight, recurrentWeight, inputBias, recurrentBias)];
                gru.Forward(shape, input, frames, weights, hidden.Reshape(shape.Y), hidden, gates, candidates, workspace);
                float[] y = hidden.ToArray();

                // dU is a Gemm, measured as such; here it would take longer than all else.
                using Tensor dU = engine.Allocate(shape.RecurrentWeight);
                gru.Backward(
                    shape, input, frames, weights, hidden, gates, candidates, gradient, dX, [new GruWeights(dW, dU, dB, dC)], workspace);
                return [y, dX.ToArray(), dB.ToArray()];
            },
            Tolerances.Recurrent(Hidden, Frames),
            cells,
            cooperates: false);

        // Beside U, in tensors of a state each: three gates' gradients of the frame after; of each frame three gates, candidate, state before, dY and carried gradient.
        double others = (3.0 * (Frames - 1) + 7.0 * Frames) * shape.Hidden.Length / Frames / shape.RecurrentWeight.Length / (Frames - 1) * (isHalf ? 2 : 1);
        foreach ((string kernel, double fromCache) in cells.Zip([forwardFromCache, backwardFromCache]))
        {
            double matrix = (isHalf ? 2.0 : 4.0) * shape.RecurrentWeight.Length * (Frames - 1);
            double distinct = 32 * counted.Of(kernel).Sum("distinct_sectors", "read") / matrix, all = 32 * counted.Of(kernel).Sum("global_load", "sectors") / matrix;
            TestContext.Out.WriteLine($"{kernel}: {distinct:F3} times U's bytes a frame, {all:F3} from the second-level cache");
            Assert.That(distinct, Is.InRange(1, 1.02 + others), $"{kernel}: bytes read");
            Assert.That(all, Is.InRange(1, fromCache), $"{kernel}: bytes read, again and again");
        }
    }

    private void AssertConvolution(Conv2dShape shape, bool needsDX)
    {
        float[] x = Normal(shape.X), weight = Normal(shape.Weight), bias = Normal(new Shape(shape.K)), dY = Normal(shape.Y);
        Count(
            engine =>
            {
                var conv = Conv2d.On(engine);
                using var workspace = new Workspace(engine);
                workspace.Reserve(Math.Max(conv.ForwardWorkspace(shape), conv.BackwardWorkspace(shape)));
                using Tensor input = Put(engine, shape.X, x), taps = Put(engine, shape.Weight, weight), shift = Put(engine, new Shape(shape.K), bias);
                using Tensor y = engine.Allocate(shape.Y), gradient = Put(engine, shape.Y, dY), dX = engine.Allocate(shape.X);
                using Tensor dWeight = engine.Allocate(shape.Weight), dBias = engine.Allocate(new Shape(shape.K));
                conv.Forward(shape, input, taps, shift, y, workspace);
                conv.Backward(shape, input, taps, gradient, needsDX ? dX : null, dWeight, dBias, workspace);
                return [y.ToArray(), dWeight.ToArray(), dBias.ToArray(), dX.ToArray()];
            },
            Tolerances.Sum(Math.Max(shape.Window, shape.OutH * shape.OutW)),
            ["CorrelateKernel", "SumWindowsKernel"]);
    }

    private static void AssertEfficient(LaunchCounters counted) => Assert.Multiple(() =>
    {
        Assert.That(counted.Efficiency("global_load"), Is.GreaterThanOrEqualTo(Efficient), "global loads");
        Assert.That(counted.Efficiency("global_store"), Is.GreaterThanOrEqualTo(Efficient), "global stores");
    });

    /// <summary>Runs the work on the emulated P100 and on the host, compares the results, and returns what was counted; these kernels must be efficient.</summary>
    private static LaunchCounters Count(Func<IEngine, float[][]> work, Tolerance tolerance, string[] kernels, bool cooperates = true)
    {
        float[][] expected;
        using (var host = new HostEngine())
            expected = work(host);
        LaunchCounters before = LaunchCounters.Read();
        float[][] actual;
        using (var cuda = IlgpuEngine.Cuda())
        {
            cuda.Cooperates = cooperates;
            actual = work(cuda);
        }

        for (int i = 0; i < expected.Length; i++)
            Compare.Close(actual[i].ToDouble(), expected[i].ToDouble(), tolerance, $"result {i}");

        var counted = LaunchCounters.Since(before);
        foreach (string kernel in kernels)
        {
            LaunchCounters of = counted.Of(kernel);
            TestContext.Out.WriteLine(
                $"{kernel}: loads {of.Efficiency("global_load"):P1}, stores {of.Efficiency("global_store"):P1} efficient; shared loads {of.Ways("shared_load"):F3} ways, "
                + $"stores {of.Ways("shared_store"):F3}; {of.MultiplyAddShare:P1} of the instructions are multiply-adds");
            AssertEfficient(of);
        }

        return counted;
    }

    private static Tensor Put(IEngine engine, Shape shape, float[] contents)
    {
        Tensor tensor = engine.Allocate(shape);
        tensor.CopyFrom(contents);
        return tensor;
    }

    private float[] Normal(Shape shape, double deviation = 1) =>
        [.. Enumerable.Range(0, shape.Length).Select(_ => (float)MathNet.Numerics.Distributions.Normal.Sample(random, 0, deviation))];
}
