using Ds2.Runtime.Evaluation;

namespace Ds2.Runtime.Training;

/// <summary>Told what happens in a run, on the run's own thread; each method returns quickly, and does nothing unless it is implemented.</summary>
public interface ITrainingObserver
{
    /// <summary>An epoch begins, or goes on where a checkpoint left it.</summary>
    /// <param name="epoch">Its number, from 0.</param>
    /// <param name="batch">Steps of it that are done.</param>
    void OnEpochStart(int epoch, int batch)
    {
    }

    /// <summary>Something that the user should know, in a line.</summary>
    void OnNote(string line)
    {
    }

    /// <summary>A step is done; a checkpoint that holds it is written later.</summary>
    void OnBatch(BatchReport report)
    {
    }

    /// <summary>An epoch's training is done, and its evaluation begins.</summary>
    /// <param name="epoch">Its number, from 0.</param>
    void OnEvaluationStart(int epoch)
    {
    }

    /// <summary>An evaluation goes on.</summary>
    /// <param name="done">Utterances done.</param>
    /// <param name="total">Utterances in all.</param>
    void OnEvaluating(int done, int total)
    {
    }

    /// <summary>An epoch is done and evaluated, and the checkpoint that holds it is written.</summary>
    void OnEpoch(EpochReport report, EvaluationResult evaluation)
    {
    }
}
