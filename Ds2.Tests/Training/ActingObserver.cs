using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

/// <summary>Does something between two batches, when the run's state is whole.</summary>
internal sealed class ActingObserver(Action<BatchReport> act) : ITrainingObserver
{
    public void OnBatch(BatchReport report) => act(report);

    public void OnEvaluating(int done, int total)
    {
    }

    public void OnEpoch(EpochReport report, EvaluationResult evaluation)
    {
    }
}
