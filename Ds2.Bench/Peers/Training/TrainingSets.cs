using System.Diagnostics;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;

namespace Ds2.Bench.Peers.Training;

/// <summary>The batches of both sides: read by our loader, with the run's order, warping and masks, while neither side works.</summary>
internal sealed class TrainingSets : IDisposable
{
    private long preparation;

    /// <summary>Loads the manifests; of the training set stays what a training run would train on.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="trainManifest">The training set.</param>
    /// <param name="validationManifest">The validation set; all of it counts.</param>
    /// <param name="model">Says which utterances are too short for their text.</param>
    /// <exception cref="InputException">A manifest cannot be used.</exception>
    public TrainingSets(RunOptions options, string trainManifest, string validationManifest, DeepSpeech2 model)
    {
        DataOptions data = options.Data;
        Corpus training = Load(trainManifest), validation = Load(validationManifest);
        int seed = options.Training.Seed, workers = BatchLoader.DefaultWorkers;
        var description = new ModelDescription(options.Model, Alphabet.English);
        training = new TrainingSelection(data, model, description.CreateExtractor()).Select(training);
        if (options.Model.Normalization == FeatureNormalization.Corpus)
            description = description with { FeatureStatistics = FeatureSurvey.Of(training, description.CreateExtractor(), null, workers, NoProgress.Instance) };
        FeatureExtractor extractor = description.CreateExtractor();
        Training = new BatchLoader(training, extractor, data.Batch, data.Order, seed, workers, augment: data.Masks)
        {
            BatchFrames = data.BatchFrames,
            Audio = data.OpenAudioAugment(),
            FeatureAugment = data.FeatureAugment,
        };
        Validation = new BatchLoader(validation, extractor, data.Batch, BatchOrder.Sorted, seed, workers) { BatchFrames = data.BatchFrames };
        ValidationBatches = Timed(() => Validation.Epoch(0).ToArray());

        Corpus Load(string manifest)
        {
            Corpus corpus = Corpus.Load(manifest, Alphabet.English);
            corpus.RequireFeatures(options.Model.Features);
            return corpus;
        }
    }

    /// <summary>The training set.</summary>
    public BatchLoader Training { get; }

    /// <summary>The validation set.</summary>
    public BatchLoader Validation { get; }

    /// <summary>All batches of the validation set, kept in memory.</summary>
    public IReadOnlyList<Batch> ValidationBatches { get; }

    /// <summary>Seconds spent on features so far; in neither side's time.</summary>
    public double PreparationSeconds => Stopwatch.GetElapsedTime(0, preparation).TotalSeconds;

    /// <summary>Batches of an epoch, in memory. The loader's threads have ended when this returns.</summary>
    /// <param name="epoch">From 0.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="count">How many.</param>
    public Batch[] Stretch(int epoch, int first, int count) => Timed(() => Training.Epoch(epoch, first).Take(count).ToArray());

    /// <summary>Ends the loaders.</summary>
    public void Dispose()
    {
        Training.Dispose();
        Validation.Dispose();
    }

    private Batch[] Timed(Func<Batch[]> read)
    {
        long start = Stopwatch.GetTimestamp();
        Batch[] batches = read();
        preparation += Stopwatch.GetTimestamp() - start;
        return batches;
    }
}
