using System.Globalization;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Runtime.Text;

namespace Ds2.Train.Reporting.RunFolder;

/// <summary>The n-gram model of a run's own transcripts, those of its training set: what <c>lm build</c> makes of them, left in the run's folder for <c>transcribe</c> and <c>evaluate</c>.</summary>
/// <param name="Model">The model.</param>
/// <param name="File">The file that it was opened from, where a run goes on; null for a new one.</param>
internal sealed record TranscriptModel(LanguageModel Model, string? File) : IDisposable
{
    public const string FileName = "words.lm";

    /// <summary>What <c>lm build</c> takes.</summary>
    private const int Order = 3, Bits = 8;

    /// <summary>Estimates it.</summary>
    /// <param name="training">The training set.</param>
    /// <param name="alphabet">Writes the words; without a space each label is one.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <returns>The caller's.</returns>
    /// <exception cref="InputException">The transcripts have no words, or the machine has too little memory for them.</exception>
    public static TranscriptModel Estimate(Corpus training, Alphabet alphabet, CancellationToken cancellation) => new(WorkReport.RunBriefly(progress => LanguageModelBuilder.Estimate(
        training.Utterances.Select(utterance => Sentence(utterance.Labels, alphabet)), $"the transcripts of {training.ManifestPath}",
        new EstimationOptions(Order, [], EstimationOptions.UsualFallback), Bits, new StoppableProgress(new Unremarked(progress), cancellation))), null);

    /// <summary>That of a run that goes on.</summary>
    /// <param name="folder">The run's.</param>
    /// <returns>The caller's; null where no start of the run had one, or its file is gone.</returns>
    /// <exception cref="InputException">The file is damaged, or the account of the run's starts is.</exception>
    public static TranscriptModel? Open(string folder)
    {
        string path = Path.Combine(folder, FileName);
        return System.IO.File.Exists(path) && IsOfRun(folder) ? new TranscriptModel(LanguageModel.Open(path), Path.GetFullPath(path)) : null;
    }

    public void Dispose() => Model.Dispose();

    /// <summary>What it is, in a line.</summary>
    public string Describe() =>
        string.Create(CultureInfo.InvariantCulture, $"{FileName}, {Model.Order}-grams of the training transcripts: counted beside greedy decoding (--lm none leaves it out)");

    /// <summary>Whether any start of the run had such a model: a file of that name may be the user's.</summary>
    private static bool IsOfRun(string folder) =>
        RunStarts.Ask(folder, starts => starts.Any(start => (string?)start["wordsModel"] is not null), $"damaged: it does not say whether {FileName} is the run's");

    private static string Sentence(int[] labels, Alphabet alphabet) =>
        alphabet.Space >= 0 ? alphabet.Decode(labels) : string.Join(' ', labels.Select(label => alphabet[label]));

    /// <summary>Leaves out what is said of small texts, whose discounts cannot be computed: the usual ones are as good as any here, and the options that the line names are not <c>train</c>'s.</summary>
    private sealed class Unremarked(IWorkProgress inner) : IWorkProgress
    {
        public IWorkItem Begin(string what, long? total, WorkUnit unit) => inner.Begin(what, total, unit);

        public void Note(string line)
        {
        }
    }
}
