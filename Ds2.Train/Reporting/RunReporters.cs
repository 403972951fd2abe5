using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>Several reporters of one run, told in their order.</summary>
internal sealed class RunReporters(IReadOnlyList<IRunReporter> reporters) : IRunReporter
{
    public void Start(RunSetup run) => Tell(reporter => reporter.Start(run));

    public void OnEpochStart(int epoch, int batch) => Tell(reporter => reporter.OnEpochStart(epoch, batch));

    public void OnNote(string line) => Tell(reporter => reporter.OnNote(line));

    public void OnBatch(BatchReport report) => Tell(reporter => reporter.OnBatch(report));

    public void OnEvaluationStart(int epoch) => Tell(reporter => reporter.OnEvaluationStart(epoch));

    public void OnEvaluating(int done, int total) => Tell(reporter => reporter.OnEvaluating(done, total));

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => Tell(reporter => reporter.OnEpoch(report, evaluation));

    public void End(TrainingResult result) => Tell(reporter => reporter.End(result));

    public void Dispose() => Tell(reporter => reporter.Dispose());

    private void Tell(Action<IRunReporter> what)
    {
        foreach (IRunReporter reporter in reporters)
            what(reporter);
    }
}
