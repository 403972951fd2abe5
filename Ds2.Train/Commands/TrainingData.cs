using System.Globalization;
using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Augment;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Features;
using Ds2.Runtime.Files;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;
using Ds2.Train.Reporting;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Commands;

/// <summary>The data of a run as its options ask for them, and what the user should know of it.</summary>
internal sealed class TrainingData : IDisposable
{
    private TrainingData(Corpus corpus, ModelDescription description, BatchLoader training, BatchLoader validation) =>
        (Corpus, Description, Training, Validation) = (corpus, description, training, validation);

    /// <summary>The training set without what is left out.</summary>
    public Corpus Corpus { get; }

    /// <summary>What the model is, the training set's figures included where features are normalized by them.</summary>
    public ModelDescription Description { get; }

    public BatchLoader Training { get; }

    public BatchLoader Validation { get; }

    /// <summary>Chooses the training utterances and sets up the loaders.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="description">What the model is, as far as is known before the training set's features are.</param>
    /// <param name="model">The model that is trained.</param>
    /// <param name="training">The whole training set.</param>
    /// <param name="validation">The validation set: all of it counts.</param>
    /// <param name="featureCache">Where features are kept for later runs; null for nowhere.</param>
    /// <param name="loaders">Threads that read.</param>
    /// <param name="note">Told what is noteworthy, a line each; from several threads.</param>
    /// <param name="cancellation">Ends the search for the training set's figures.</param>
    /// <param name="lane">The rank whose batches are read; null for all.</param>
    /// <exception cref="InputException">No utterance can be trained on; the noise folder or the cache is unusable.</exception>
    public static TrainingData Open(
        RunOptions options, ModelDescription description, DeepSpeech2 model, Corpus training, Corpus validation, string? featureCache, int loaders, Action<string> note, CancellationToken cancellation,
        Lane? lane = null)
    {
        training.RequireFeatures(options.Model.Features);
        validation.RequireFeatures(options.Model.Features);
        var selection = new TrainingSelection(options.Data, model, description.CreateExtractor());
        Corpus corpus = selection.Select(training);
        if (corpus.LeftOut.Count > 0)
            note($"{corpus.LeftOut.Count} of {training.Utterances.Count} training utterances are left out; the run's {RunFolderReporter.LeftOut} lists them. {corpus.LeftOut[0].Utterance.Id}: {corpus.LeftOut[0].Reason}");
        if (SharedRecordings.Note(training.ManifestPath, training.Utterances.Select(u => u.AudioPath), validation.ManifestPath, validation.Utterances.Select(u => u.AudioPath)) is { } shared)
            note(shared);
        int kept = validation.Utterances.Count(utterance => selection.ReasonToLeaveOut(utterance) is not null);
        if (kept > 0)
            note($"{kept} validation utterances would be left out of training; they are kept, as the word error rate counts every one");
        foreach (string difference in SetDifferences.Notes(corpus, validation))
            note(difference);

        AudioAugment? audio = options.Data.OpenAudioAugment();
        if (audio is not null)
            NoteFeatureFiles(corpus, note);
        foreach (string link in audio?.Noise?.Links ?? [])
            note($"{link}: a link to a folder is not followed (noiseFolder)");
        FeatureStore? store = featureCache is null ? null : new FeatureStore(featureCache, note);
        if (store is not null && audio is not null)
            note($"{featureCache}: serves the validation set alone, as training audio is augmented: its features differ in every epoch");
        if (description is { Options.Normalization: FeatureNormalization.Corpus, FeatureStatistics: null })
        {
            description = description with
            {
                FeatureStatistics = WorkReport.RunBriefly(progress => FeatureSurvey.Of(corpus, description.CreateExtractor(), store, loaders, progress, cancellation)),
            };
        }

        description = description with { Typical = TypicalUtterance.Of(corpus) };
        FeatureExtractor extractor = description.CreateExtractor();
        return new TrainingData(
            corpus,
            description,
            new BatchLoader(corpus, extractor, options.Data.Batch, options.Data.Order, options.Training.Seed, loaders, augment: options.Data.Masks)
            {
                BatchFrames = options.Data.BatchFrames,
                Accumulate = options.Data.Accumulate,
                Lane = lane ?? Lane.Alone,
                Audio = audio,
                FeatureAugment = options.Data.FeatureAugment,
                Store = store,
            },
            new BatchLoader(validation, extractor, options.Data.Batch, BatchOrder.Sorted, options.Training.Seed, loaders)
            {
                BatchFrames = options.Data.BatchFrames,
                Accumulate = (lane ?? Lane.Alone).Ranks,
                Lane = lane ?? Lane.Alone,
                Store = store,
            });
    }

    /// <summary>Lists the utterances that are left out in the run's folder: id, seconds, file and reason, tab-separated. No file where there are none.</summary>
    public void ListLeftOut(string folder)
    {
        string path = Path.Combine(folder, RunFolderReporter.LeftOut);
        if (Corpus.LeftOut.Count == 0)
        {
            File.Delete(path);
            return;
        }

        byte[] lines = Encoding.UTF8.GetBytes(string.Concat(Corpus.LeftOut.Select(left => string.Create(
            CultureInfo.InvariantCulture, $"{SeparatedValues.Field(left.Utterance.Id, '\t')}\t{left.Utterance.Seconds:F2}\t{SeparatedValues.Field(left.Utterance.AudioPath, '\t')}\t{left.Reason}\n"))));
        AtomicFile.Write(path, stream => stream.Write(lines));
    }

    public void Dispose()
    {
        Training.Dispose();
        Validation.Dispose();
    }

    private static void NoteFeatureFiles(Corpus corpus, Action<string> note)
    {
        int features = corpus.Utterances.Count(utterance => utterance.HoldsFeatures);
        if (features == corpus.Utterances.Count)
            throw new InputException($"{corpus.ManifestPath}: lists feature files alone, whose sound cannot be changed; leave out augment and noiseFolder");
        if (features > 0)
            note($"{features} of {corpus.Utterances.Count} training utterances are feature files: their sound cannot be changed, they are used as they are");
    }
}
