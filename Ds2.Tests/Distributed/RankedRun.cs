using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Tests.Training;

namespace Ds2.Tests.Distributed;

/// <summary>A rank of a training run on a tiny corpus, with an engine of its own.</summary>
internal sealed class RankedRun : IDisposable
{
    private readonly IEngine engine;
    private readonly BatchLoader validation;
    private readonly Checkpoint? checkpoint;

    public RankedRun(TinyCorpus corpus, RunOptions options, ICommunicator ranks, string folder, ITrainingObserver observer, bool resume = false, IEngine? engine = null)
    {
        this.engine = engine ??= new HostEngine(threads: 1);
        Directory.CreateDirectory(folder);
        Model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, options.Training.Seed);
        var data = Corpus.Load(corpus.Manifest, Alphabet.English, cancellation: CancellationToken.None);
        Training = new BatchLoader(data, new FeatureExtractor(options.Model.Features), options.Data.Batch, options.Data.Order, options.Training.Seed, augment: options.Data.Masks)
        {
            Accumulate = options.Data.Accumulate,
            FeatureAugment = options.Data.FeatureAugment,
            Lane = new Lane(ranks.Rank, ranks.Ranks),
        };
        validation = new BatchLoader(data, new FeatureExtractor(options.Model.Features), options.Data.Batch, BatchOrder.Sorted, options.Training.Seed)
        {
            Accumulate = ranks.Ranks,
            Lane = new Lane(ranks.Rank, ranks.Ranks),
        };
        var checkpoints = new CheckpointPolicy(folder, TimeSpan.FromHours(1));
        checkpoint = resume ? Checkpoint.Open(checkpoints.Latest) : null;
        ranks.Barrier();
        Trainer = new Trainer(options, Model, new ModelDescription(options.Model, Alphabet.English), Training, validation, checkpoints, observer, resume: checkpoint, ranks: ranks);
    }

    /// <summary>Trains with ranks that are threads, to the end or until steps were done.</summary>
    /// <param name="corpus">What is learnt.</param>
    /// <param name="options">The run's options.</param>
    /// <param name="ranks">How many.</param>
    /// <param name="run">The run's folder; null for a new one.</param>
    /// <param name="stopAfter">Steps after which all ask for a stop.</param>
    /// <param name="resume">Whether it goes on from the folder's last checkpoint.</param>
    /// <param name="engine">Makes each rank's; null for the host with one thread.</param>
    /// <param name="copy">Has ranks exchange the devices' memory by its addresses; null for the host's.</param>
    /// <returns>The last checkpoint's tensors, and what was told of each step and epoch, the same on all ranks.</returns>
    public static (Dictionary<string, float[]> Tensors, string[] Steps) Train(
        TinyCorpus corpus, RunOptions options, int ranks, string? run = null, int stopAfter = int.MaxValue, bool resume = false, Func<IEngine>? engine = null, ThreadRanks.PointerCopy? copy = null)
    {
        run ??= corpus.PathOf($"{ranks}-{Guid.NewGuid():N}");
        string[][] told = ThreadRanks.Run(ranks, communicator =>
        {
            using var stop = new CancellationTokenSource();
            var steps = new List<string>();
            int done = 0;
            using var training = new RankedRun(corpus, options, communicator, run, new ActingObserver(report =>
            {
                steps.Add($"{report.Epoch} {report.Batch} {report.Loss:R} {report.GradientNorm:R} {report.LearningRate:R} {report.AudioSeconds:R} {report.LossPerLabel:R}{(report.LeftOut is { } ids ? $" left out {string.Join(' ', ids)}" : "")}");
                if (++done == stopAfter)
                    stop.Cancel();
            }), resume, engine?.Invoke());
            training.Trainer.Run(stop.Token);
            return steps.ToArray();
        }, copy);
        foreach (string[] rank in told)
            Assert.That(rank, Is.EqualTo(told[0]), "all ranks are told the same");
        string latest = new CheckpointPolicy(run, TimeSpan.Zero).Latest;
        using var checkpoint = Checkpoint.Open(latest);
        IEnumerable<string> epochs = checkpoint.State.History.Select(epoch => $"{epoch.Loss:R} {epoch.Wer:R} {epoch.WerUtterance:R} {epoch.Cer:R} {epoch.ValidationLoss:R} {epoch.ValidationLossPerLabel:R}");
        return (TrainingRuns.TensorsOf(latest), [.. told[0], .. epochs]);
    }

    public DeepSpeech2 Model { get; }

    public BatchLoader Training { get; }

    public Trainer Trainer { get; }

    public void Dispose()
    {
        Trainer.Dispose();
        checkpoint?.Dispose();
        Training.Dispose();
        validation.Dispose();
        Model.Dispose();
        engine.Dispose();
    }
}
