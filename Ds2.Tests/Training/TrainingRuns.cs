using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Safetensors;
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
        string latest = new CheckpointPolicy(folder, TimeSpan.Zero).Latest;
        float[] parameters = [];
        Run(
            options, folder, new ActingObserver(atBatch ?? (_ => { })), File.Exists(latest) ? latest : null,
            atStart: _ => atStart?.Invoke(), atEnd: model => parameters = model.Parameters.Values.ToArray());
        return parameters;
    }

    /// <summary>Trains to the end, or until it is stopped.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="folder">The run's folder.</param>
    /// <param name="observer">Told what happens.</param>
    /// <param name="resume">The checkpoint to go on from.</param>
    /// <param name="trainingManifest">Another training set than the corpus.</param>
    /// <param name="validationManifest">Another validation set than the corpus.</param>
    /// <param name="atStart">Given the model before the first step.</param>
    /// <param name="atEnd">Given the model after the last.</param>
    /// <param name="stop">Stops it.</param>
    public TrainingResult Run(
        RunOptions options, string folder, ITrainingObserver observer, string? resume = null, string? trainingManifest = null, string? validationManifest = null,
        Action<DeepSpeech2>? atStart = null, Action<DeepSpeech2>? atEnd = null, CancellationToken stop = default)
    {
        using var model = new DeepSpeech2(options.Model.ArchitectureFor(Alphabet.English), engine, options.Training.Seed);
        Corpus trained = new TrainingSelection(options.Data, model, new FeatureExtractor(options.Model.Features)).Select(Corpus.Load(trainingManifest ?? corpus.Manifest, Alphabet.English, cancellation: CancellationToken.None));
        var evaluated = Corpus.Load(validationManifest ?? corpus.Manifest, Alphabet.English, cancellation: CancellationToken.None);
        using var training = new BatchLoader(trained, new FeatureExtractor(options.Model.Features), options.Data.Batch, options.Data.Order, options.Training.Seed) { Accumulate = options.Data.Accumulate };
        using var validation = new BatchLoader(evaluated, new FeatureExtractor(options.Model.Features), options.Data.Batch, BatchOrder.Sorted, options.Training.Seed);
        using Checkpoint? checkpoint = resume is null ? null : Checkpoint.Open(resume);
        using var trainer = new Trainer(
            options, model, new ModelDescription(options.Model, Alphabet.English), training, validation, new CheckpointPolicy(folder, TimeSpan.FromHours(1)), observer, resume: checkpoint);
        atStart?.Invoke(model);
        TrainingResult result = trainer.Run(stop);
        atEnd?.Invoke(model);
        return result;
    }

    /// <summary>All tensors of a checkpoint, the optimiser's among them.</summary>
    public static Dictionary<string, float[]> TensorsOf(string checkpoint)
    {
        using var file = SafetensorsFile.Open(checkpoint);
        return file.Header.Tensors.ToDictionary(tensor => tensor.Name, tensor => file.Read<float>(tensor.Name));
    }

    public void Dispose() => engine.Dispose();
}
