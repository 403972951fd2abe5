using System.CommandLine;
using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;

namespace Ds2.Train.Commands;

/// <summary>The options of a command that sends a manifest's utterances through a checkpoint, and how it does so.</summary>
/// <param name="manifestDescription">What the manifest is for.</param>
internal sealed class CorpusRecognition(string manifestDescription)
{
    private readonly Option<string> checkpoint = new("--checkpoint") { Description = "a checkpoint of a training run", Required = true, HelpName = "FILE" };
    private readonly Option<string> manifest = new("--manifest") { Description = manifestDescription, Required = true, HelpName = "FILE" };
    private readonly Option<bool> strictText = StrictText.Option();
    private readonly Option<bool> skipBad = CorpusFaultReport.SkipBad();
    private readonly Option<int> batch = CommandLine.Bounded("--batch", "utterances at a time", 8, 1, 65536);
    private readonly Option<DeviceChoice> device = CommandLine.Device();
    private readonly Option<int> threads = CommandLine.Threads();
    private readonly Option<string?> precision = CommandLine.Precision();
    private readonly Option<int> loaders = CommandLine.Loaders();

    /// <summary>Those without which there is nothing to recognize.</summary>
    public IEnumerable<Option> Required => [checkpoint, manifest];

    /// <summary>The others.</summary>
    public IEnumerable<Option> Others => [strictText, skipBad, batch, device, threads, precision, loaders];

    /// <summary>The manifest that a command line names.</summary>
    public string ManifestOf(ParseResult parsed) => parsed.GetRequiredValue(manifest);

    /// <summary>The checkpoint that a command line names.</summary>
    public string CheckpointOf(ParseResult parsed) => parsed.GetRequiredValue(checkpoint);

    /// <summary>The threads that a command line asks for; 0 for one per core.</summary>
    public int ThreadsOf(ParseResult parsed) => parsed.GetValue(threads);

    /// <summary>Opens the checkpoint that a command line names.</summary>
    /// <exception cref="InputException">It cannot be read, or is none.</exception>
    public ModelFile Open(ParseResult parsed) => ModelFile.Open(CheckpointOf(parsed));

    /// <summary>Loads the corpus of a model's features and labels, and says which of its characters the labels cannot write, and where its recordings differ in kind.</summary>
    /// <exception cref="InputException">It cannot be read, its features are of another kind, or there are such characters and they are to be refused.</exception>
    public Corpus Load(ParseResult parsed, ModelFile file, CancellationToken cancellation)
    {
        Corpus corpus = CorpusInput.Load(ManifestOf(parsed), file.Description.Alphabet, parsed.GetValue(skipBad), cancellation);
        corpus.RequireFeatures(file.Description.Options.Features);
        StrictText.Note(corpus, parsed.GetValue(strictText));
        foreach (string difference in SetDifferences.Within(corpus))
            Console.Error.WriteLine($"ds2: {difference}");
        return corpus;
    }

    /// <summary>Recognizes all utterances.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="file">The model.</param>
    /// <param name="corpus">What is said.</param>
    /// <param name="decoder">Reads texts off the logits.</param>
    /// <param name="other">Reads other texts off the same logits, whose errors are counted beside; null for none.</param>
    /// <param name="progress">Told how many are done; null for nobody.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>Texts and rates, and the name of the engine that it ran on.</returns>
    public (EvaluationResult Result, string Engine) Run(ParseResult parsed, ModelFile file, Corpus corpus, IDecoder decoder, IDecoder? other, Action<int>? progress, CancellationToken cancellation)
    {
        using IEngine engine = CommandLine.CreateEngine(parsed.GetValue(device), ThreadsOf(parsed));
        using DeepSpeech2 model = file.Load(engine, precision: CommandLine.PrecisionOf(parsed.GetValue(precision)));
        using var loader = new BatchLoader(corpus, file.Description.CreateExtractor(), parsed.GetValue(batch), BatchOrder.Sorted, seed: 0, CommandLine.LoadersOf(parsed.GetValue(loaders)));
        using var recognizer = new Recognizer(model, decoder);
        return (new Evaluator(recognizer, other).Run(loader, progress, cancellation), engine.Name);
    }
}
