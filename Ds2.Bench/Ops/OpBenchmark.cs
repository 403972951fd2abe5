using BenchmarkDotNet.Attributes;
using Ds2.Kernels.Engines;

namespace Ds2.Bench.Ops;

/// <summary>The models whose shapes are timed, at batch 8.</summary>
public enum ModelSize
{
    /// <summary>Preset mini on two seconds of speech: 96 output frames, 2 x 192 hidden units.</summary>
    Mini,

    /// <summary>Preset mlperf on utterances that give 600 output frames: 2560 hidden units.</summary>
    Full,
}

/// <summary>What an op cannot be faster than.</summary>
public enum Bound
{
    /// <summary>Multiplications and additions.</summary>
    Arithmetic,

    /// <summary>Memory, read and written.</summary>
    Copying,

    /// <summary>Memory, read only.</summary>
    Reading,
}

/// <summary>An op on one device: random inputs, checked outputs. A benchmark method ends with the device's queue drained.</summary>
public abstract class OpBenchmark
{
    /// <summary>Utterances of a batch.</summary>
    protected const int Batch = 8;

    private readonly List<IDisposable> owned = [];

    /// <summary>Where the ops run, for all benchmarks of the process.</summary>
    public static DeviceChoice Device { get; set; } = new(DeviceKind.Host);

    /// <summary>The model whose shapes are timed.</summary>
    [ParamsAllValues]
    public ModelSize Model { get; set; }

    /// <summary>Output frames of the convolutions.</summary>
    internal int Frames => Model == ModelSize.Full ? 600 : 96;

    /// <summary>Frames between the convolutions: the second takes ten.</summary>
    internal int MiddleFrames => Frames + 10;

    /// <summary>Feature frames: the first convolution halves them.</summary>
    internal int InputFrames => 2 * MiddleFrames + 9;

    /// <summary>Hidden units of a GRU direction.</summary>
    internal int Hidden => Model == ModelSize.Full ? 2560 : 192;

    /// <summary>Feature rows after each convolution; mini pads its 13 coefficients.</summary>
    internal (int Input, int Middle, int Output) Rows => Model == ModelSize.Full ? (161, 61, 21) : (13, 7, 4);

    /// <summary>What bounds a benchmark method, and so what its <see cref="Work"/> counts.</summary>
    internal virtual Bound BoundOf(string method) => Bound.Arithmetic;

    /// <summary>The engine under test.</summary>
    protected IEngine Engine { get; private set; } = null!;

    /// <summary>Scratch memory.</summary>
    protected Workspace Workspace { get; private set; } = null!;

    /// <summary>Operations, or bytes, of one call of a benchmark method.</summary>
    internal abstract double Work(string method);

    /// <summary>Makes the engine, then the op's tensors, runs everything once, and refuses to time what gives nothing or no numbers.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        Engine = DeviceOption.Engine(Device);
        Workspace = Own(new Workspace(Engine));
        foreach (Tensor output in Prepare())
        {
            float[] values = output.ToArray();
            if (!values.All(float.IsFinite) || values.All(value => value == 0))
                throw new InvalidOperationException($"{GetType().Name}: an output {output.Shape} is zero or not finite");
        }
    }

    /// <summary>Gives everything back.</summary>
    [GlobalCleanup]
    public void CleanUp()
    {
        foreach (IDisposable tensor in owned)
            tensor.Dispose();
        owned.Clear();
        Engine.Dispose();
    }

    /// <summary>Makes the inputs and runs each method once.</summary>
    /// <returns>The outputs to check.</returns>
    protected abstract IEnumerable<Tensor> Prepare();

    /// <summary>A tensor of numbers uniform in -scale..scale.</summary>
    protected Tensor Random(Shape shape, float scale = 1) => Own(RandomTensors.Random(Engine, shape, scale));

    /// <summary>A tensor of zeros.</summary>
    protected Tensor Zero(Shape shape) => Own(Engine.Allocate(shape));

    /// <summary>Counts, the same for every utterance.</summary>
    protected IntTensor Counts(int value)
    {
        IntTensor counts = Own(Engine.AllocateInt(new Shape(Batch)));
        counts.Fill(value);
        return counts;
    }

    /// <summary>Disposes it with the benchmark.</summary>
    protected T Own<T>(T disposable)
        where T : IDisposable
    {
        owned.Add(disposable);
        return disposable;
    }
}
