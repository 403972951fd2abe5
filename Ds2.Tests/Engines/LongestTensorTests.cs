using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;

namespace Ds2.Tests.Engines;

/// <summary>Lengths near 2^31 - 1, where the step behind a loop's end and the end of a last, partial piece do not fit 32 bits.</summary>
[TestFixture]
public sealed class LongestTensorTests
{
    private const string Slow = "8 GB are mapped page by page: half a minute";

    private static readonly int[] Lengths = [int.MaxValue, int.MaxValue - 15, int.MaxValue - 16383, int.MaxValue - 65535, int.MaxValue - 65536];

    private HostEngine engine = null!;

    [OneTimeSetUp]
    public void MakeEngine() => engine = new HostEngine(threads: 2);

    [OneTimeTearDown]
    public void DisposeEngine() => engine.Dispose();

    [TestCaseSource(nameof(Lengths))]
    public void Division_Pieces_CoverTheLength(int length)
    {
        foreach (int most in (int[])[1, 2, 63, 64, 16384, 65536, 1 << 30, int.MaxValue])
        {
            int pieces = Division.Pieces(length, most);
            Assert.That(Division.End(pieces - 1, most, length), Is.EqualTo(length));
            Assert.That(pieces == 1 || Division.End(pieces - 2, most, length) == (pieces - 1L) * most, $"{most}");
        }
    }

    [Test]
    public void Division_Up_BeyondTheRange_Throws() => Assert.Throws<OverflowException>(() => Division.Up(int.MaxValue, 16));

    [TestCaseSource(nameof(Lengths))]
    public void Elementwise_VisitsEachElementOnce(int length)
    {
        // Of each part, which is one worker's.
        var visits = new int[Division.Pieces(length, Counter.Part)];
        Elementwise.Run(engine.Workers, new Counter(visits, length), length);
        Assert.That(visits[..^1].AsSpan().IndexOfAnyExcept(Counter.Part), Is.EqualTo(-1));
        Assert.That(visits[^1], Is.EqualTo(length - (visits.Length - 1) * Counter.Part));
    }

    [Test]
    public void Hardtanh_ReachesTheEnd()
    {
        using var x = RepeatedMemory.Filled(engine, new Shape(int.MaxValue), 30);
        Hardtanh.On(engine).Forward(x.Tensor, 0, 20, x.Tensor);
        AssertAll(x, 20);
    }

    [Test]
    public void GradientNorm_SumsToTheEnd()
    {
        GradientNorm op = GradientNorm.On(engine);
        using var gradients = RepeatedMemory.Zeros(engine, new Shape(int.MaxValue));
        using Tensor clip = engine.Allocate(new Shape(2));
        using var workspace = new Workspace(engine);
        workspace.Reserve(op.WorkspaceFor(int.MaxValue));
        gradients.Last[^1] = 3;
        op.Compute(gradients.Tensor, float.PositiveInfinity, clip, workspace);
        Assert.That(clip.ToArray()[0], Is.EqualTo(3));
    }

    [Test]
    [Explicit(Slow)]
    public void Gemm_LongestSum_ReachesTheEnd()
    {
        var shape = new GemmShape(1, 1, int.MaxValue, TransposeB: true);
        using RepeatedMemory a = RepeatedMemory.Zeros(engine, shape.A), b = RepeatedMemory.Zeros(engine, shape.B);
        using Tensor c = engine.Allocate(shape.C);
        a.Last[^1] = 3;
        b.Last[^1] = 4;
        Gemm.On(engine).Multiply(shape, a.Tensor, b.Tensor, c);
        Assert.That(c.ToArray()[0], Is.EqualTo(12));
    }

    [Test]
    [Explicit(Slow)]
    public void Gemm_LongestRow_ReachesTheEnd()
    {
        var shape = new GemmShape(1, int.MaxValue, 1);
        using Tensor a = engine.Allocate(shape.A);
        using RepeatedMemory b = RepeatedMemory.Zeros(engine, shape.B), c = RepeatedMemory.Filled(engine, shape.C, 2);
        a.Fill(3);
        b.Last[^1] = 4;
        Gemm.On(engine).Multiply(shape, a, b.Tensor, c.Tensor);
        Assert.That(c.First.IndexOfAnyExcept(0f), Is.EqualTo(-1));
        Assert.That(c.Last[^2..].ToArray(), Is.EqualTo(new float[] { 0, 12 }));
    }

    [Test]
    [Explicit(Slow)]
    public void BatchNorm_ReachesTheEnd([Values] BatchNormLayout layout)
    {
        var shape = new BatchNormShape(layout, N: 1, C: 1, F: 1, T: int.MaxValue);
        using var x = RepeatedMemory.Filled(engine, shape.X, 0);
        using Tensor zero = engine.Allocate(new Shape(1)), bias = engine.Allocate(new Shape(1));
        bias.Fill(7);
        BatchNorm.On(engine).Infer(shape, x.Tensor, zero, bias, zero, zero, 1, x.Tensor);
        AssertAll(x, 7);
    }

    // One row of a transposition's source, and one column.
    [TestCase(1, int.MaxValue)]
    [TestCase(int.MaxValue, 1)]
    [Explicit(Slow)]
    public void TimeMajor_ReachesTheEnd(int features, int frames)
    {
        using RepeatedMemory x = RepeatedMemory.Filled(engine, new Shape(1, features, 1, frames), 5);
        using RepeatedMemory y = RepeatedMemory.Filled(engine, new Shape(frames, 1, features), 0);
        TimeMajor.On(engine).Forward(x.Tensor, y.Tensor);
        AssertAll(y, 5);
    }

    [Test]
    public void OnAGpu_IsRefused()
    {
        using IlgpuEngine gpu = IlgpuEngine.Recording(_ => { });
        ArgumentException? refusal = Assert.Throws<ArgumentException>(() => gpu.Allocate(new Shape(2, int.MaxValue / 2)));
        Assert.That(refusal!.Message, Does.Contain("[2, 1073741823]").And.Contain("2,147,418,111"));
    }

    private static void AssertAll(RepeatedMemory memory, float value)
    {
        Assert.That(memory.First.IndexOfAnyExcept(value), Is.EqualTo(-1), "first block");
        Assert.That(memory.Last.IndexOfAnyExcept(value), Is.EqualTo(-1), "last block");
    }

    private readonly struct Counter(int[] visits, int length) : IElementwise
    {
        public const int Part = 65536;

        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            if (index < 0 || index > length - TLanes.Count)
                throw new InvalidOperationException($"element {index} of {length}");
            visits[index / Part] += TLanes.Count;
        }
    }
}
