using System.Collections.Concurrent;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Training;
using Ds2.Tests.Engines;
using Ds2.Tests.Training;

namespace Ds2.Tests.Distributed;

/// <summary>Two ranks with a device each leave the bits of one: on every engine but the host.</summary>
[TestFixtureSource(nameof(Devices))]
public sealed class RankedTrainingOnDevicesTests(string engineName)
{
    private readonly ConcurrentQueue<IlgpuEngine> made = new();
    private TinyCorpus corpus = null!;

    private static IEnumerable<string> Devices => TestEngines.Names.Where(name => !name.StartsWith("host", StringComparison.Ordinal));

    /// <summary>A step of ILGPU's emulated device takes seconds.</summary>
    private bool IsSlow => engineName == "emulated";

    /// <summary>The shortest recordings have no output frame, and a rank whose batch is one of them reads no parameters in its step; but on a slow device each batch is to be worth its time.</summary>
    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus(shortest: IsSlow ? 38 : 24);

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>Each epoch's last step has a batch for one of the ranks only.</summary>
    [Test]
    public void Run_TwoRanks_SameCheckpoint([Values(OptimizerKind.Sgd, OptimizerKind.AdamW)] OptimizerKind optimizer)
    {
        if (IsSlow)
            File.WriteAllLines(corpus.Manifest, File.ReadAllLines(corpus.Manifest).Take(3));
        RunOptions options = TrainingRuns.Tiny with
        {
            Data = TrainingRuns.Tiny.Data with { Batch = 1, Accumulate = 2, Order = BatchOrder.Bucketed, Tempo = 0.1 },
            Training = TrainingRuns.Tiny.Training with { Optimizer = optimizer, Dropout = 0.1, Epochs = IsSlow ? 1 : 2 },
        };
        (Dictionary<string, float[]> alone, string[] steps) = RankedRun.Train(corpus, options, ranks: 1, engine: NewEngine);
        (Dictionary<string, float[]> shared, string[] told) = RankedRun.Train(corpus, options, ranks: 2, engine: NewEngine);
        Assert.That(told, Is.EqualTo(steps));
        Assert.That(shared, Is.EqualTo(alone));
        if (engineName != "cuda")
            return;
        (int taken, int waits) = (made.TakeLast(2).Sum(engine => engine.Allocations), made.TakeLast(2).Sum(engine => engine.Synchronizations));
        (shared, told) = RankedRun.Train(corpus, options, ranks: 2, engine: NewEngine, copy: DevicePointers.Copy(engineName));
        Assert.That(made.TakeLast(2).Sum(engine => engine.Allocations), Is.EqualTo(taken + 2), "what comes in is received on the devices");
        Assert.That(made.TakeLast(2).Sum(engine => engine.Synchronizations), Is.AtMost(waits + 2), "the exchange waits for no queue of ops, but once before the first step");
        Assert.That(told, Is.EqualTo(steps), "from the devices' own memory");
        Assert.That(shared, Is.EqualTo(alone), "from the devices' own memory");
    }

    /// <summary>Called by ranks at the same time.</summary>
    private IlgpuEngine NewEngine()
    {
        IlgpuEngine engine = engineName switch
        {
            "emulated" => IlgpuEngine.Emulated(),
            "cuda" => IlgpuEngine.Cuda(),
            _ => IlgpuEngine.OpenCl(),
        };
        made.Enqueue(engine);
        return engine;
    }
}
