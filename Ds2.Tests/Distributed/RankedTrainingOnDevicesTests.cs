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
    }

    private IlgpuEngine NewEngine() => engineName switch
    {
        "emulated" => IlgpuEngine.Emulated(),
        "cuda" => IlgpuEngine.Cuda(),
        _ => IlgpuEngine.OpenCl(),
    };
}
