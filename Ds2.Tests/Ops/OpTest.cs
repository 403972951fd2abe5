using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using Ds2.Tests.Engines;

namespace Ds2.Tests.Ops;

/// <summary>What all op tests share: an engine, random data, and tensors whose surroundings are checked after each test.</summary>
/// <remarks>
/// <see cref="Input(Shape, float[], string)"/> must not change, <see cref="Output"/> starts as NaN (so that an element left unwritten shows), and
/// <see cref="Accumulator"/> starts with values that the op must add to or update.
/// </remarks>
[TestFixtureSource(typeof(TestEngines), nameof(TestEngines.Names))]
public abstract class OpTest(string engineName)
{
    private const float FloatSentinel = -123456.78f;
    private const int IntSentinel = -87654321;

    private readonly List<Action> verifications = [];
    private readonly List<IDisposable> owned = [];

    /// <summary>The engine under test.</summary>
    protected IEngine Engine => TestEngines.Get(engineName);

    /// <summary>Whether large sweeps are affordable: an emulated device does a thousandth of what the host does.</summary>
    protected bool IsFast => Engine is HostEngine;

    /// <summary>The test's random numbers, the same in every run.</summary>
    protected Random Random { get; private set; } = new(1);

    [SetUp]
    public void SeedRandomNumbers() => Random = new Random(20151208);

    [TearDown]
    public void VerifySurroundings()
    {
        try
        {
            foreach (Action verify in verifications)
                verify();
        }
        finally
        {
            Free();
        }
    }

    /// <summary>Numbers from the normal distribution.</summary>
    protected float[] Normal(int length, double deviation = 1, double mean = 0)
    {
        var numbers = new float[length];
        for (int i = 0; i < length; i++)
            numbers[i] = (float)(mean + deviation * MathNet.Numerics.Distributions.Normal.Sample(Random, 0, 1));
        return numbers;
    }

    /// <summary>An input; the op must leave it as it is.</summary>
    protected Tensor Input(Shape shape, float[] contents, [CallerArgumentExpression(nameof(contents))] string name = "") =>
        Guard(shape, contents, name, isInput: true);

    /// <summary>An input of normal numbers.</summary>
    protected Tensor Input(Shape shape, double deviation = 1) => Input(shape, Normal(shape.Length, deviation), "an input");

    /// <summary>An integer input; the op must leave it as it is.</summary>
    protected IntTensor IntInput(Shape shape, int[] contents, [CallerArgumentExpression(nameof(contents))] string name = "")
    {
        var guarded = new Guarded<int>(Engine.AllocateInt, shape, contents, IntSentinel, name, isInput: true);
        owned.Add(guarded);
        verifications.Add(guarded.Verify);
        return guarded.Tensor;
    }

    /// <summary>An output that the op must write whole: it starts as NaN.</summary>
    protected Tensor Output(Shape shape, string name = "an output")
    {
        var poison = new float[shape.Length];
        Array.Fill(poison, float.NaN);
        return Guard(shape, poison, name, isInput: false);
    }

    /// <summary>A tensor that the op adds to or updates.</summary>
    protected Tensor Accumulator(Shape shape, float[] start, [CallerArgumentExpression(nameof(start))] string name = "") =>
        Guard(shape, start, name, isInput: false);

    /// <summary>Scratch of exactly so many elements, filled with NaN.</summary>
    protected Workspace Scratch(int length)
    {
        var workspace = new Workspace(Engine);
        owned.Add(workspace);
        workspace.Reserve(length);
        if (length > 0)
        {
            workspace.Begin(0);
            workspace.Take(new Shape(workspace.Capacity)).Fill(float.NaN);
        }

        return workspace;
    }

    /// <summary>Verifies and frees all tensors made so far: what a sweep calls between two shapes.</summary>
    protected void NextCase() => VerifySurroundings();

    /// <summary>Asserts that a call is refused with a message in which all of these stand.</summary>
    protected static void AssertRefused(Action call, params string[] inMessage)
    {
        ArgumentException? refusal = Assert.Throws<ArgumentException>(call);
        foreach (string part in inMessage)
            Assert.That(refusal!.Message, Does.Contain(part));
    }

    private Tensor Guard(Shape shape, float[] contents, string name, bool isInput)
    {
        var guarded = new Guarded<float>(Engine.Allocate, shape, contents, FloatSentinel, name, isInput);
        owned.Add(guarded);
        verifications.Add(guarded.Verify);
        return guarded.Tensor;
    }

    private void Free()
    {
        foreach (IDisposable thing in owned)
            thing.Dispose();
        owned.Clear();
        verifications.Clear();
    }
}
