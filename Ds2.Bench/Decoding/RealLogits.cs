using System.CommandLine;
using Ds2.Kernels.Engines.Host;
using Ds2.Runtime.Data;
using Ds2.Runtime.Data.Batching;
using Ds2.Runtime.Decoding;
using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Model;
using Ds2.Runtime.Recognition;
using Ds2.Runtime.Text;

namespace Ds2.Bench.Decoding;

/// <summary>What a trained model makes of a corpus.</summary>
/// <param name="Alphabet">The labels.</param>
/// <param name="Utterances">[T, C] each.</param>
/// <param name="Transcripts">What was said, and what greedy decoding heard.</param>
internal sealed record RealLogits(Alphabet Alphabet, IReadOnlyList<float[]> Utterances, IReadOnlyList<Transcript> Transcripts)
{
    public static Option<string?> Checkpoint(bool required) => new("--checkpoint") { Description = "a checkpoint", HelpName = "FILE", Required = required };

    public static Option<string?> Manifest(bool required) => new("--manifest") { Description = "lines 'audio path,text path'", HelpName = "FILE", Required = required };

    /// <summary>Runs a corpus through a model, once.</summary>
    public static RealLogits Of(string checkpoint, string manifest)
    {
        using ModelFile file = ModelFile.Open(checkpoint);
        using var engine = new HostEngine();
        using DeepSpeech2 model = file.Load(engine);
        Alphabet alphabet = file.Description.Alphabet;
        using var loader = new BatchLoader(Corpus.Load(manifest, alphabet), file.Description.CreateExtractor(), 8, BatchOrder.Sorted, seed: 0, BatchLoader.DefaultWorkers);
        var kept = new KeptLogits(new GreedyDecoder(alphabet));
        using var recognizer = new Recognizer(model, kept);
        return new RealLogits(alphabet, kept.Utterances, new Evaluator(recognizer).Run(loader).Transcripts);
    }
}
