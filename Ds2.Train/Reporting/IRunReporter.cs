using Ds2.Runtime.Data;
using Ds2.Runtime.Model;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>Shows a training run: to people on a terminal, or to programs as JSON lines.</summary>
internal interface IRunReporter : ITrainingObserver, IDisposable
{
    /// <summary>The run is set up and about to start.</summary>
    void Start(RunOptions options, DeepSpeech2 model, Corpus training, Corpus validation, string folder, TrainingState? resumed);

    /// <summary>The run is over.</summary>
    void End(TrainingResult result);
}
