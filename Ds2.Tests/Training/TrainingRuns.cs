using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Runs of a tiny model, each from its folder's latest checkpoint if there is one, as <c>--resume auto</c> does.</summary>
internal sealed class TrainingRuns(TinyCorpus corpus) : IDisposable
{
    public static readonly RunOptions Tiny = new()
    {
        Model = new() { Features = FeatureKind.MfccRaw, Channels = 2, Hidden = 6, Layers = 1 },
        Data = new() { Batch = 1 },
        Training = new() { TargetWer = -1, Lr = 1e-2 },
    };

    private readonly HostEngine engine = new(threads: 1);

    /// <summary>Trains to the end and returns the parameters.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="epochs">Epochs in all.</param>
    /// <param name="atBatch">Called after each batch.</param>
    /// <param name="atStart">Called when the corpus is loaded and before anything of it is read again.</param>
    public float[] Train(string folder, int epochs, Action<BatchReport>? atBatch = null, Action? atStart = null)
    {
        RunOptions options = Tiny with { Training = Tiny.Training with { Epochs = epochs } };
        var checkpoints = new CheckpointPolicy(folder, TimeSpan.FromHours(1));
        var data = Corpus.Load(corpus.Manifest, Alphabet.English);
        using var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, options.Training.Seed);
        using var training = new BatchLoader(data, options.Model.Features, options.Data.Batch, options.Data.Order, options.Training.Seed);
        using var validation = new BatchLoader(data, options.Model.Features, options.Data.Batch, BatchOrder.Sorted, options.Training.Seed);
        using Checkpoint? resume = File.Exists(checkpoints.Latest) ? Checkpoint.Open(checkpoints.Latest) : null;
        using var trainer = new Trainer(options, model, Alphabet.English, training, validation, checkpoints, new ActingObserver(atBatch ?? (_ => { })), resume: resume);
        atStart?.Invoke();
        trainer.Run();
        return model.Parameters.Values.ToArray();
    }

    public void Dispose() => engine.Dispose();
}
