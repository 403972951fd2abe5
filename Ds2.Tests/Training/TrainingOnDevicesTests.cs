using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Engines;
using Ds2.Tests.Gpu;

namespace Ds2.Tests.Training;

/// <summary>The training loop on every engine but the host: how often it waits, what memory it takes, and that it learns what the host learns.</summary>
[TestFixtureSource(nameof(Devices))]
public sealed class TrainingOnDevicesTests(string engineName)
{
    private static readonly RunOptions Tiny = new()
    {
        Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 6, Layers = 1, Bidirectional = true },
        Data = new() { Batch = 2, Order = BatchOrder.Sortagrad },
        Training = new() { TargetWer = -1, Lr = 1e-2 },
    };

    private TinyCorpus corpus = null!;

    private static IEnumerable<string> Devices => TestEngines.Names.Where(name => !name.StartsWith("host", StringComparison.Ordinal));

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>Batches of four lengths; the last one of each epoch has one utterance only.</summary>
    [Test]
    public void Step_WaitsOnce_TakesNoMemory_CompilesNothing()
    {
        var engine = (IlgpuEngine)TestEngines.Get(engineName);
        int ready = 0, missing = engine.KernelsToCompile;
        engine.CompileKernels(() => Interlocked.Increment(ref ready));
        Assert.That(ready, Is.EqualTo(missing));
        int compiled = engine.CompiledKernels;
        int steps = engineName == "emulated" ? 2 : 8; // one takes ILGPU's emulated device ten seconds
        using var counter = new StepCounter(engine, steps);
        Train(engine, counter);
        Assert.That(counter.Waits, Has.Count.EqualTo(steps == 2 ? 1 : 6));
        Assert.That(counter.Waits, Is.All.EqualTo(1), "waits for the queue from one step's end to the next");
        Assert.That(counter.Allocations, Is.All.Zero, "pieces of device memory taken from one step's end to the next");
        Assert.That(engine.KernelsToCompile, Is.Zero);
        Assert.That(engine.CompiledKernels, Is.EqualTo(compiled), "kernels after the first step, and all others");
    }

    /// <summary>The same by the driver's own counts: two batches an epoch against four.</summary>
    [Test]
    public void Step_ByTheDriversCounts_WaitsOnceAndTakesNoMemory()
    {
        if (engineName != "cuda" || LaunchCounters.File is null)
            Assert.Ignore("only the emulated P100 counts (DS2_TEST_DEVICE=cuda, PTXEMU_STATS=FILE)");
        LaunchCounters few = Count(maxBatches: 2), many = Count(maxBatches: 4);
        const int steps = 2; // an epoch; its evaluation and two checkpoints take as many calls in both
        Assert.That(many.Sum("stream_synchronisations") - few.Sum("stream_synchronisations"), Is.EqualTo(steps));
        Assert.That(many.Sum("context_synchronisations") - few.Sum("context_synchronisations"), Is.Zero);
        Assert.That(many.Sum("event_synchronisations") - few.Sum("event_synchronisations"), Is.Zero);
        Assert.That(many.Sum("device_allocations", "count") - few.Sum("device_allocations", "count"), Is.Zero);
        Assert.That(many.Sum("copies", "host_to_device", "sync_count") - few.Sum("copies", "host_to_device", "sync_count"), Is.Zero);
    }

    /// <summary>Both sum in fp32, in different orders; a step built on the last one's rounding keeps the curves this close for a while.</summary>
    [Test]
    public void Losses_AreTheHosts()
    {
        if (engineName == "emulated")
            Assert.Ignore("a step takes ILGPU's emulated device ten seconds; its gradients are compared in DeepSpeech2OnDevicesTests");
        using var device = new StepCounter();
        using var host = new StepCounter();
        Train(TestEngines.Get(engineName), device);
        Train(TestEngines.Get("host-1"), host);
        Assert.That(device.Losses, Has.Count.EqualTo(8));
        foreach ((double own, double expected) in device.Losses.Zip(host.Losses))
            Assert.That(own, Is.EqualTo(expected).Within(0.01).Percent);
    }

    private LaunchCounters Count(int maxBatches)
    {
        IlgpuEngine.Cuda().Dispose(); // has the emulator write what it counted so far
        LaunchCounters before = LaunchCounters.Read();
        using (IlgpuEngine engine = IlgpuEngine.Cuda())
        using (var counter = new StepCounter())
            Train(engine, counter, maxBatches, epochs: 1);
        return LaunchCounters.Since(before).OfTheDriver();
    }

    private void Train(IEngine engine, StepCounter observer, int? maxBatches = null, int epochs = 2)
    {
        RunOptions options = Tiny with { Training = Tiny.Training with { Epochs = epochs } };
        Corpus utterances = Corpus.Load(corpus.Manifest, Alphabet.English);
        using var model = new DeepSpeech2(Tiny.Model.ArchitectureFor(Alphabet.English), engine, Tiny.Training.Seed);
        using var training = new BatchLoader(utterances, new FeatureExtractor(Tiny.Model.Features), Tiny.Data.Batch, Tiny.Data.Order, Tiny.Training.Seed);
        using var validation = new BatchLoader(utterances, new FeatureExtractor(Tiny.Model.Features), Tiny.Data.Batch, BatchOrder.Sorted, Tiny.Training.Seed);
        var checkpoints = new CheckpointPolicy(Path.Combine(corpus.Folder, Guid.NewGuid().ToString()), TimeSpan.FromHours(1));
        Directory.CreateDirectory(checkpoints.Folder);
        using var trainer = new Trainer(options, model, new ModelDescription(options.Model, Alphabet.English), training, validation, checkpoints, observer, maxBatches);
        trainer.Run(observer.Stop);
    }

    /// <summary>Losses, and what the engine did between the ends of two steps of an epoch.</summary>
    private sealed class StepCounter(IlgpuEngine? engine = null, int steps = int.MaxValue) : ITrainingObserver, IDisposable
    {
        private readonly CancellationTokenSource source = new();
        private (int Waits, int Allocations)? last;

        /// <summary>Ends the run after the steps that are wanted, without an evaluation.</summary>
        public CancellationToken Stop => source.Token;

        public List<double> Losses { get; } = [];

        public List<int> Waits { get; } = [];

        public List<int> Allocations { get; } = [];

        public void OnBatch(BatchReport report)
        {
            Losses.Add(report.Loss);
            if (Losses.Count == steps)
                source.Cancel();
            if (engine is null)
                return;
            if (last is { } before)
            {
                Waits.Add(engine.Synchronizations - before.Waits);
                Allocations.Add(engine.Allocations - before.Allocations);
            }

            last = (engine.Synchronizations, engine.Allocations);
        }

        public void OnEvaluating(int done, int total)
        {
        }

        public void OnEpoch(EpochReport report, EvaluationResult evaluation) => last = null;

        public void Dispose() => source.Dispose();
    }
}
