using Ds2.Runtime.Evaluation;
using Ds2.Runtime.Training;

namespace Ds2.Train.Reporting;

/// <summary>A reporter whose files may fail to be written: the first failure is told on stderr, and the run goes on; the reporter is called again as ever.</summary>
internal sealed class TolerantReporter(IRunReporter reporter) : IRunReporter
{
    private bool told;

    public void Start(RunSetup run) => Try(() => reporter.Start(run));

    public void OnEpochStart(int epoch, int batch) => Try(() => reporter.OnEpochStart(epoch, batch));

    public void OnBatch(BatchReport report) => Try(() => reporter.OnBatch(report));

    public void OnEvaluationStart(int epoch) => Try(() => reporter.OnEvaluationStart(epoch));

    public void OnEvaluating(int done, int total) => Try(() => reporter.OnEvaluating(done, total));

    public void OnEpoch(EpochReport report, EvaluationResult evaluation) => Try(() => reporter.OnEpoch(report, evaluation));

    public void End(TrainingResult result) => Try(() => reporter.End(result));

    public void Dispose() => Try(reporter.Dispose);

    /// <summary>A line on stderr about a file that the run can do without.</summary>
    public static void Tell(Exception exception) =>
        Console.Error.WriteLine($"ds2: {exception.Message.ReplaceLineEndings(" ")}: the run goes on, and it is tried again");

    private void Try(Action what)
    {
        try
        {
            what();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (!told)
                Tell(exception);
            told = true;
        }
    }
}
