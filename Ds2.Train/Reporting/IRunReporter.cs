using Ds2.Runtime.Data;
using Ds2.Runtime.Model;
using Ds2.Runtime.Text;
using Ds2.Runtime.Training;
using Ds2.Train.Reporting.RunFolder;

namespace Ds2.Train.Reporting;

/// <summary>A run that is set up and about to start.</summary>
/// <param name="Options">What it computes.</param>
/// <param name="Model">The model on its device.</param>
/// <param name="Alphabet">What the model writes.</param>
/// <param name="Training">The training set.</param>
/// <param name="Validation">The validation set.</param>
/// <param name="Folder">Where all that it leaves goes; it is there.</param>
/// <param name="BatchesPerEpoch">Steps of an epoch: batches, unless several make a step.</param>
/// <param name="MaxBatches">Where an epoch is cut short, the number of its batches; null for whole ones.</param>
/// <param name="Resume">The checkpoint that it goes on from; null where it starts.</param>
/// <param name="Initial">The model whose parameters a run that starts takes over; null for new ones.</param>
/// <param name="BeamDecides">Whether the beam search's word error rate decides about target and best epoch.</param>
/// <param name="Chosen">The preset that was chosen for the user; null where one was named.</param>
/// <param name="Ranks">Where several processes train together, each of them; else null.</param>
/// <param name="Mpi">The library that they exchange by; null for one on its own.</param>
/// <param name="Words">The language model of its own transcripts, which its beam search goes by; null for none.</param>
/// <param name="Notes">What the run has noticed; the list grows while the run goes on.</param>
internal sealed record RunSetup(
    RunOptions Options, DeepSpeech2 Model, Alphabet Alphabet, Corpus Training, Corpus Validation, string Folder, int BatchesPerEpoch, int? MaxBatches,
    Checkpoint? Resume, string? Initial = null, bool BeamDecides = false, PresetChoice? Chosen = null,
    IReadOnlyList<RankPlace>? Ranks = null, string? Mpi = null, TranscriptModel? Words = null, IReadOnlyCollection<string>? Notes = null)
{
    /// <summary>What the run has noticed so far; it grows while the run goes on.</summary>
    public IReadOnlyCollection<string> Notes { get; } = Notes ?? [];

    /// <summary>The path of a file in the run's folder.</summary>
    public string PathOf(string name) => Path.Combine(Folder, name);
}

/// <summary>Shows or records a training run: on the console, in the run's folder.</summary>
internal interface IRunReporter : ITrainingObserver, IDisposable
{
    /// <summary>The run is set up and about to start.</summary>
    void Start(RunSetup run);

    /// <summary>The run is over. Not called where it ended in an exception.</summary>
    void End(TrainingResult result)
    {
    }
}
